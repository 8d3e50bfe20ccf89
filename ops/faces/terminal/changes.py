"""What the changes of orders under way did, or would do, in a line; and where a stop stands."""

from collections.abc import Sequence

from ops.faces.terminal.words import WORDS
from ops.verbs.correct_address import CorrectedOrder
from ops.verbs.split_orders import DividedOrder
from ops.verbs.stop_orders import AskedOrder
from ops.verbs.void_packages import VoidedPackage


def asked_in_words(asked: AskedOrder, *, is_done: bool) -> str:
    """What was asked of the order, and what follows."""
    facts = {"order": asked.order_id, "parts": WORDS.listed([f"part {number}" for number in asked.parts])}
    key = f"phrase.{asked.does}_{'asked' if is_done else 'would'}"
    said = WORDS.say(key, facts)
    if len(asked.parts) < asked.of_parts:
        said = WORDS.say("phrase.of_parts", {"said": said, **facts})
    return _with_acts(said, asked.acts, asked.order_id, is_done=is_done)


def divided_in_words(divided: DividedOrder, does: str, *, is_done: bool) -> str:
    """Which lines have moved, and where."""
    pieces = [f"{count} of {line}" for line, count in divided.pieces.items()]
    facts = {"order": divided.order_id, "part": divided.part, "pieces": WORDS.listed(pieces), "state": divided.state}
    return WORDS.say(f"phrase.{does}_{'asked' if is_done else 'would'}", facts)


def corrected_in_words(done: CorrectedOrder, *, is_done: bool) -> str:
    """Which fields differ, which holds that ends, and what follows."""
    facts = {"order": done.order_id, "fields": WORDS.listed(done.fields)}
    said = WORDS.say(f"phrase.corrected_{'asked' if is_done else 'would'}", facts)
    if done.released:
        said = WORDS.say("phrase.corrected_released", {"said": said, "holds": WORDS.listed(done.released)})
    return _with_acts(said, done.acts, done.order_id, is_done=is_done)


def voided_in_words(done: VoidedPackage, *, is_done: bool) -> str:
    """What becomes of the waybill."""
    does = "settled" if done.is_settled else "void"
    facts = {"waybill": done.waybill, "courier": done.courier, "order": done.order_id}
    return WORDS.say(f"phrase.{does}_{'asked' if is_done else 'would'}", facts)


def _with_acts(said: str, acts: Sequence[str], order_id: int, *, is_done: bool) -> str:
    if not acts:
        return said
    planned = WORDS.listed([WORDS.say(f"stop_act.{act}") for act in acts])
    key = "phrase.acts_follow" if is_done else "phrase.acts_would_follow"
    return WORDS.say(key, {"said": said, "acts": planned, "order": order_id})
