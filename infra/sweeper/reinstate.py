"""Puts back to work what ended in a hold or a dead letter for a fault that turned out to be its account's."""

from collections.abc import Sequence

from domain.holds import HoldCode
from domain.states import Cause, State
from infra.engine.author import Author, Source, machine
from infra.engine.replay import add_due, go_on, replay
from infra.process.steps import STEPS
from infra.queue.keys import BellKey
from infra.tables.audit import Act, Verb, record_acts
from infra.tables.gates import GATES
from infra.tables.letters import LETTERS
from infra.tables.orders import Locked, lock_fulfillment, open_holds
from infra.tables.pool import Connection

SUBJECTS_MAX = 200


def reinstate(tx: Connection) -> set[BellKey]:
    """Put back some of the subjects that were noted; return the bells to ring after the commit.

    Their work meets the gate of the paused account and waits behind it.
    """
    taken = tx.execute(GATES["take_ended_accusers"], {"limit": SUBJECTS_MAX}).fetchall()
    if not taken:
        return set()
    named = {"steps": [step for _, step, _ in taken], "subject_ids": [subject_id for _, _, subject_id in taken]}
    author = machine("the account was the cause", Source.SWEEPER)
    letter_ids = [row[0] for row in tx.execute(GATES["letters_of_accusers"], named).fetchall()]
    rung = replay(tx, letter_ids, author)[1] if letter_ids else set()
    for step in STEPS.values():
        if step.misconfigured_hold is not None:
            accusers = [(account, subject_id) for account, name, subject_id in taken if name == step.name]
            rung |= _release(tx, step.name, step.misconfigured_hold, accusers, author)
    return rung


def _release(
    tx: Connection, step: str, code: HoldCode, packages: Sequence[tuple[str, int]], author: Author
) -> set[BellKey]:
    """Lift the holds that a step of packages opened for its account's error."""
    if not packages:
        return set()
    named = {
        "accounts": [account for account, _ in packages],
        "package_ids": [id_ for _, id_ in packages],
        "step": step,
        "code": code,
    }
    held = [row[0] for row in tx.execute(GATES["holds_of_accusers"], named).fetchall()]
    rung: set[BellKey] = set()
    for locked in lock_fulfillment(tx, held):
        rung |= _release_one(tx, locked, step, code, author)
    return rung


def _release_one(tx: Connection, locked: Locked, step: str, code: HoldCode, author: Author) -> set[BellKey]:
    held = _codes(tx, locked)
    released = tx.execute(
        LETTERS["release_hold"],
        {
            "id": locked.id,
            "code": code,
            "by": author.who,
            "role": author.role,
            "reason": author.reason,
            "is_waived": False,
        },
    ).fetchone()
    if released is None:
        return set()
    left = _codes(tx, locked)
    act = Act(f"order/{locked.order_id}", {"holds": held}, {"holds": left}, {"code": code})
    record_acts(tx, author, Verb.HOLD_RELEASED, [act])
    if locked.state is not State.ON_HOLD:
        return add_due(tx, locked, step)
    if left:
        return set()
    return go_on(tx, locked, step, Cause.RULES, {"code": code, "by": author.who, "reason": author.reason})


def _codes(tx: Connection, locked: Locked) -> list[str]:
    return sorted(code for code, _ in open_holds(tx, [locked.id]).get(locked.id, ()))
