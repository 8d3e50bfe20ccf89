"""Puts back to work what ended in a hold or a dead letter for a fault that turned out to be its account's."""

from collections.abc import Sequence

from domain.holds import HoldCode
from domain.states import Cause, State, Step
from infra.engine.author import Author, Source, machine
from infra.engine.replay import add_due, go_on, replay
from infra.queue.keys import BellKey
from infra.tables.audit import record_acts
from infra.tables.gates import take_ended_accusers
from infra.tables.holds import holds_of_accusers, open_holds, release_hold
from infra.tables.letters import letters_of_accusers
from infra.tables.orders import Locked, lock_fulfillment
from infra.tables.pool import Connection

SUBJECTS_MAX = 200


def reinstate(tx: Connection) -> set[BellKey]:
    """Put back some of the subjects that were noted; return the bells to ring after the commit.

    Their work meets the gate of the paused account and waits behind it.
    """
    taken = take_ended_accusers(tx, SUBJECTS_MAX)
    if not taken:
        return set()
    author = machine("the account was the cause", Source.SWEEPER)
    letter_ids = letters_of_accusers(tx, [(one.step, one.subject_id) for one in taken])
    rung = replay(tx, letter_ids, author)[1] if letter_ids else set()
    labelled = [(account, subject_id) for account, step, subject_id in taken if step == Step.LABEL]
    return rung | _release(tx, labelled, author)


def _release(tx: Connection, packages: Sequence[tuple[str, int]], author: Author) -> set[BellKey]:
    rung: set[BellKey] = set()
    for locked in lock_fulfillment(tx, holds_of_accusers(tx, packages)):
        rung |= _release_one(tx, locked, author)
    return rung


def _release_one(tx: Connection, locked: Locked, author: Author) -> set[BellKey]:
    code = HoldCode.WAYBILL_ERROR
    if release_hold(tx, locked.id, code, by=author.who, reason=author.reason, is_waived=False) is None:
        return set()
    record_acts(tx, author.who, "hold_released", author.reason, [(f"order/{locked.order_id}", {"code": code})])
    if locked.state is not State.ON_HOLD:
        return add_due(tx, locked, Step.LABEL)
    if open_holds(tx, [locked.id]).get(locked.id):
        return set()
    return go_on(tx, locked, Step.LABEL, Cause.RULES, {"code": code, "by": author.who, "reason": author.reason})
