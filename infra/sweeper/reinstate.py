"""Puts subjects back to work that ended in a hold or a dead letter although their account was at fault."""

from collections.abc import Sequence

from domain.holds import HoldCode
from domain.states import Cause, State
from infra.engine.author import ActSource, Author, machine
from infra.engine.replay import add_due, go_on, holding_codes, replay
from infra.process.steps import STEPS
from infra.queue.keys import BellKey
from infra.tables.audit import Act, Verb, record_acts
from infra.tables.gates import take_ended_subjects
from infra.tables.holds import holds_of_subjects, open_holds, release_hold
from infra.tables.letters import letters_of_subjects
from infra.tables.orders import Locked, lock_fulfillment
from infra.tables.pool import Connection

SUBJECTS_MAX = 200


def reinstate(tx: Connection) -> set[BellKey]:
    """Put back some of the subjects that were noted; return the bells to ring after the commit.

    Their work meets the gate of the paused account and waits behind it.
    """
    taken = take_ended_subjects(tx, SUBJECTS_MAX)
    if not taken:
        return set()
    author = machine("the account was the cause", ActSource.SWEEPER)
    letter_ids = letters_of_subjects(tx, [(one.step, one.subject_id) for one in taken])
    rung = replay(tx, letter_ids, author)[1] if letter_ids else set()
    for step in STEPS.values():
        if step.misconfigured_hold is not None:
            faulty = [(account, subject_id) for account, name, subject_id in taken if name == step.name]
            rung |= _release(tx, step.name, step.misconfigured_hold, faulty, author)
    return rung


def _release(
    tx: Connection, step: str, code: HoldCode, packages: Sequence[tuple[str, int]], author: Author
) -> set[BellKey]:
    """Lift the holds that a step of packages opened for its account's error."""
    rung: set[BellKey] = set()
    for locked in lock_fulfillment(tx, holds_of_subjects(tx, step, code, packages)):
        rung |= _release_one(tx, locked, step, code, author)
    return rung


def _release_one(tx: Connection, locked: Locked, step: str, code: HoldCode, author: Author) -> set[BellKey]:
    held = _codes(tx, locked)
    if release_hold(tx, locked.id, code, author, is_waived=False) is None:
        return set()
    left = _codes(tx, locked)
    act = Act(f"order/{locked.order_id}", {"holds": held}, {"holds": left}, {"code": code})
    record_acts(tx, author, Verb.HOLD_RELEASED, [act])
    if locked.state is not State.ON_HOLD:
        return add_due(tx, locked, step)
    if holding_codes(tx, locked.id):
        return set()
    return go_on(tx, locked, step, Cause.RULES, {"code": code, "by": author.who, "reason": author.reason})


def _codes(tx: Connection, locked: Locked) -> list[str]:
    return sorted(code for code, _ in open_holds(tx, [locked.id]).get(locked.id, ()))
