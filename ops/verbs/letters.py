"""The verbs about dead letters: replay, discard, reopen."""

from collections.abc import Sequence

from domain.dead_letters import MESSAGE
from domain.errors import Conflict
from domain.holds import HoldCode
from domain.order import Lane
from domain.outcomes import Hold
from domain.reasons import Reason
from domain.states import Cause, State
from infra.engine.author import Author
from infra.engine.replay import Replayed, replay
from infra.engine.results import SubjectRef
from infra.engine.write_outcomes import Writes, event, stop, write
from infra.tables import letters
from infra.tables.audit import Verb
from infra.tables.holds import release_blocks
from infra.tables.letters import (
    ClosedLetter,
    close,
    endings,
    lock_open,
)
from infra.tables.orders import lock_fulfillment
from infra.tables.placements import ask_about_documents
from infra.tables.pool import Connection, Database
from infra.tables.shipments import ask_about
from infra.tables.writebacks import give_up_sending
from ops.verbs.change import Change, change


def replay_letters(db: Database, letter_ids: Sequence[int], author: Author, *, again: bool = False) -> list[Replayed]:
    """Put letters back in the lanes of their orders, each in its own transaction; the sweeper rings for them."""
    answers: list[Replayed] = []
    for letter_id in letter_ids:
        with change(db, author) as made:
            made.noted_below()
            found, _ = replay(made.tx, [letter_id], author, again=again)
        answers += found
    return answers


def discard(db: Database, letter_id: int, author: Author) -> bool:
    """Close a letter without doing anything about it; return whether its order stays held.

    An order that stands still keeps its hold: someone must release it or close the order. Raises Conflict
    ``letter_closed`` when somebody else was faster.
    """
    with change(db, author) as made:
        return discard_in(made, letter_id, author)


def discard_in(made: Change, letter_id: int, author: Author) -> bool:
    """As `discard`, in the caller's change, which must not have locked any row of the letter's order before."""
    tx = made.tx
    found = lock_open(tx, [letter_id])
    if not found:
        raise _not_open("letter_closed", letter_id, endings(tx, [letter_id])[letter_id])
    _, step, subject_id, lane, _, crashes, order_id, fulfillment_order_id = found[0]
    held = lock_fulfillment(tx, [fulfillment_order_id] if fulfillment_order_id else [])
    close(tx, [ClosedLetter(letter_id, "discarded", author.reason)], author.who)
    stays = bool(held) and held[0].state is State.ON_HOLD
    if held and not stays:
        release_blocks(tx, [held[0].id], author)
    if held and step == "dispatch":
        # As for a label: what the warehouse may have is found out.
        ask_about_documents(tx, [held[0].id], is_suspect=crashes > 0)
    if held and step == "label":
        # No person has to act, but the courier is asked what it may have booked.
        ask_about(tx, [held[0].id], is_suspect=crashes > 0)
    if step == "writeback":
        # The platform hears one package of an order at a time, and the others would wait for this one for ever.
        give_up_sending(tx, subject_id)
    ref = SubjectRef(subject_id, Lane(lane), order_id, fulfillment_order_id)
    made.note(Verb.LETTER_DISCARDED, f"letter/{letter_id}", {"state": "open"}, {"state": "discarded"})
    _record(tx, step, ref, verb=Verb.LETTER_DISCARDED, letter_id=letter_id, author=author)
    return stays


def reopen(db: Database, letter_id: int, author: Author) -> None:
    """Open a discarded letter again, and its hold. Raises Conflict ``letter_not_discarded``."""
    with change(db, author) as made:
        tx = made.tx
        row = letters.reopen(tx, letter_id)
        if row is None:
            raise _not_open("letter_not_discarded", letter_id, endings(tx, [letter_id])[letter_id])
        _, step, subject_id, lane, order_id, fulfillment_order_id, code = row
        for locked in lock_fulfillment(tx, [fulfillment_order_id] if fulfillment_order_id else []):
            ref = SubjectRef(subject_id, Lane(lane), order_id, locked.id, None, locked.state)
            writes = Writes()
            stop(step, ref, Hold(HoldCode.DEAD_LETTER, {"step": step, "code": code}), writes)
            write(tx, step, writes)
        ref = SubjectRef(subject_id, Lane(lane), order_id, fulfillment_order_id)
        made.note(Verb.LETTER_REOPENED, f"letter/{letter_id}", {"state": "discarded"}, {"state": "open"})
        _record(tx, step, ref, verb=Verb.LETTER_REOPENED, letter_id=letter_id, author=author)


def _not_open(code: str, letter_id: int, ending: Reason) -> Conflict:
    """The refusal of an act on a letter; `ending` says where the letter is."""
    return Conflict(code, facts={"letter": letter_id, "ending": ending.code, **ending.facts})


def _record(tx: Connection, step: str, ref: SubjectRef, *, verb: Verb, letter_id: int, author: Author) -> None:
    """Write an act on its order's timeline. A message has no order."""
    facts = {"letter": letter_id, "by": author.who, "reason": author.reason}
    if step != MESSAGE:
        write(tx, step, Writes(events=[event(step, ref, verb, Cause.PERSON, facts=facts)]))
