"""What a verb did, in a line."""

from actors.orders.take_over import Adopted
from ops.faces.terminal.layout import china_minute
from ops.faces.terminal.words import WORDS
from ops.verbs.expedite import ExpediteResult
from ops.verbs.hold_orders import HeldOrder
from ops.verbs.holds import ReleaseResult


def hold_in_words(held: HeldOrder) -> str:
    """The result for the order that was held."""
    facts = {
        "order": held.order_id,
        "code": held.code,
        "owner": held.owner,
        "was": WORDS.listed(held.was),
        "due": china_minute(held.due_at),
    }
    said = WORDS.say("phrase.held_was" if held.was else "phrase.held", facts)
    return WORDS.say("phrase.held_with_left", {"held": said, "left": WORDS.listed(held.left)}) if held.left else said


def release_in_words(released: ReleaseResult) -> str:
    """The result for the order whose hold was released."""
    key = "phrase.released_without" if released.left_out else "phrase.released"
    said = WORDS.say(key, {"code": released.code, "lines": released.left_out})
    if released.still_held_by:
        return WORDS.say("phrase.released_still_held", {"released": said, "holds": released.still_held_by})
    key = "phrase.released_goes_on_due" if released.due else "phrase.released_goes_on"
    return WORDS.say(key, {"released": said, "state": released.state, "steps": WORDS.listed(released.due)})


def adopt_in_words(adopted: Adopted) -> str:
    """That the order was adopted, and where it stands now."""
    return WORDS.say("phrase.order_adopted", {"order": adopted.order_id, "state": adopted.state})


def expedite_in_words(expedited: ExpediteResult) -> str:
    """The present lane of the order, or of the payload that is not read yet."""
    is_order = expedited.order_id is not None
    what = WORDS.say(f"phrase.expedited_{'order' if is_order else 'payload'}", {"order": expedited.order_id})
    facts = {"what": what, "was": WORDS.listed(expedited.was), "lane": expedited.lane}
    said = WORDS.say("phrase.expedited" if expedited.was else "phrase.is_in_lane", facts)
    if not expedited.moved:
        return said
    return WORDS.say("phrase.expedited_with", {"expedited": said, "steps": WORDS.listed(expedited.moved)})
