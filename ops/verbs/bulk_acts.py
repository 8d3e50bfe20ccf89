"""One verb on many, as an object: drafted with a preview, confirmed by its token, worked off, stopped, gone on with.

A draft changes nothing. Confirmed, it is worked off by the sweeper, by the command that confirmed it, or by both: each
item in a transaction of its own that also keeps its result.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from domain.bulk_acts import FAILED_IN_A_ROW, ITEMS_MAX, ActState, ItemState, token_of
from domain.errors import Conflict, FulfilmentError, Refused
from infra.engine.author import ActSource, Author, Role, machine
from infra.tables.audit import Verb
from infra.tables.bulk_acts import (
    BulkAct,
    NewItem,
    RunningAct,
    add_items,
    claim_item,
    confirm_act,
    create_act,
    finish_act,
    foresee_again,
    lock_act,
    mark_item,
    next_item,
    running_acts,
    set_state,
    take_act,
    waiting_items,
)
from infra.tables.pool import Connection, Database
from infra.telemetry.log import get_logger
from ops.verbs.change import change
from ops.verbs.many import VERBS, BulkVerb, Params
from ops.views.bulk_acts import look, unknown
from ops.views.looking import looking

# So many items are looked at in one statement of a preview.
_CHUNK = 1_000
# Somebody else holds what the item needs: it stays, and is tried in the next round.
_BUSY = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected, psycopg.errors.QueryCanceled)
# One round of the sweeper, all bulk acts together; each gets a few at least.
_ROUND_ITEMS, _ROUND_ITEMS_MIN = 100, 5

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class NamedItem:
    """A name that was given, in its place from 1, and the one thing that it means; or the code why it means none."""

    position: int
    subject_id: int | None
    code: str = ""


def draft(
    db: Database,
    verb: BulkVerb,
    params: Params,
    items: Sequence[NamedItem],
    *,
    chosen: Mapping[str, Any],
    author: Author,
) -> BulkAct:
    """Freeze the items, and look at what the verb would do to each of them. Changes nothing else.

    `chosen` says how they were chosen. A thing that is named twice is one item. Raises Refused ``nothing_matches`` for
    no item, ``too_many`` for more than `ITEMS_MAX`.
    """
    if not items:
        raise Refused("nothing_matches")
    if len(items) > ITEMS_MAX:
        raise Refused("too_many", facts={"most": ITEMS_MAX})
    with change(db, author) as made:
        tx = made.tx
        bulk_id = create_act(tx, verb.name, params, chosen=chosen, author=author)
        seen: set[int] = set()
        known = [one for one in items if one.subject_id is not None]
        foreseen = _foresee(tx, verb, [one.subject_id for one in known if one.subject_id is not None], params)
        rows = []
        for one in items:
            if one.subject_id is None:
                rows.append(NewItem(one.position, None, one.code))
            elif one.subject_id not in seen:
                seen.add(one.subject_id)
                rows.append(NewItem(one.position, one.subject_id, foreseen[one.subject_id]))
        add_items(tx, bulk_id, rows, token_of(verb.name, params, foreseen))
        after = {"state": ActState.DRAFT, "items": len(rows)}
        made.note(Verb.BULK_DRAFTED, f"bulk/{bulk_id}", None, after, does=verb.name, **params)
    return look(db, bulk_id)


def confirm(db: Database, bulk_id: int, token: str, author: Author) -> BulkAct:
    """Let a draft run, if everything still is as its preview has shown.

    Raises Conflict ``preview_changed`` where it is not, or the token is another preview's: the new preview is kept with
    the draft. Raises Conflict ``bulk_state`` for what is no draft, Refused ``bulk_unknown``, and ``none_may_go`` where
    nothing would be done.
    """
    with change(db, author) as made:
        tx = made.tx
        name, params, _, shown = _locked(tx, bulk_id, frozenset({ActState.DRAFT}))
        verb = VERBS[name]
        waiting = waiting_items(tx, bulk_id)
        foreseen = _foresee(tx, verb, [subject_id for _, subject_id, _ in waiting], params)
        now = token_of(name, params, foreseen)
        is_same = token == now
        if not is_same and now != shown:
            changed = {position: foreseen[id_] for position, id_, before in waiting if foreseen[id_] != before}
            foresee_again(tx, bulk_id, changed, now)
            made.goes_on()
        elif is_same:
            if verb.done not in foreseen.values():
                raise Refused("none_may_go", facts={"fault": "none_to_do"})
            confirm_act(tx, bulk_id, author)
            before, after = {"state": ActState.DRAFT}, {"state": ActState.RUNNING}
            made.note(Verb.BULK_CONFIRMED, f"bulk/{bulk_id}", before, after, does=name, items=len(waiting))
        else:
            made.unchanged()
    if not is_same:
        raise Conflict("preview_changed", facts={"bulk": bulk_id, "token": now})
    return look(db, bulk_id)


def pause(db: Database, bulk_id: int, author: Author) -> BulkAct:
    """No further item is begun; one that is under way is finished. Raises Conflict ``bulk_state``."""
    return _turn(db, bulk_id, ActState.PAUSED, frozenset({ActState.RUNNING}), author)


def resume(db: Database, bulk_id: int, author: Author) -> BulkAct:
    """Go on with what waits. Raises Conflict ``bulk_state``."""
    return _turn(db, bulk_id, ActState.RUNNING, frozenset({ActState.PAUSED}), author)


def cancel(db: Database, bulk_id: int, author: Author) -> BulkAct:
    """Items that wait stay as they are; what was done stays done, and what is under way is finished.

    Raises Conflict ``bulk_state``.
    """
    allowed = frozenset({ActState.DRAFT, ActState.RUNNING, ActState.PAUSED})
    return _turn(db, bulk_id, ActState.CANCELLED, allowed, author)


@dataclass(slots=True)
class BulkActs:
    """The sweeper's duty: some items of each bulk act that runs. Safe beside another sweeper, and beside commands."""

    db: Database

    def run(self) -> None:
        with looking(self.db) as tx:
            ids = running_acts(tx)
        for bulk_id in ids:
            work_off(self.db, bulk_id, max(_ROUND_ITEMS_MIN, _ROUND_ITEMS // len(ids)))


def work_off(db: Database, bulk_id: int, limit: int | None = None) -> int:
    """Do the verb to the next items of a bulk act, `limit` at most; how many are over by that.

    None that was begun is begun again, and none is left out, wherever the process dies. What somebody else holds just
    now stays for the next round. Stops by itself after several defects in a row.
    """
    with looking(db) as tx:
        running = take_act(tx, bulk_id)
    if running is None:
        return 0
    if running.verb not in VERBS:
        log.warning("bulk_verb_unknown", bulk_id=bulk_id, verb=running.verb)
        return 0
    author = _author(bulk_id, running)
    over = _Worker(db, bulk_id, VERBS[running.verb], running.params, author).run(limit)
    with change(db, author) as made:
        made.goes_on()
        if finish_act(made.tx, bulk_id):
            log.info("bulk_done", bulk_id=bulk_id)
    return over


@dataclass(slots=True)
class _Worker:
    """Works items off, one after the other."""

    db: Database
    bulk_id: int
    verb: BulkVerb
    params: Params
    author: Author
    failed_in_a_row: int = 0

    def run(self, limit: int | None) -> int:
        over, after = 0, 0
        while limit is None or over < limit:
            # Read again before each item, so that none is begun once a person has stopped the bulk act.
            with looking(self.db) as tx:
                item = next_item(tx, self.bulk_id, after=after)
            if item is None:
                break
            after, subject_id = item
            over += self._one(after, subject_id)
            if self.failed_in_a_row >= FAILED_IN_A_ROW:
                self._pause()
                break
        return over

    def _one(self, position: int, subject_id: int) -> bool:
        """Do it to one item; whether it is over."""
        is_begun = False
        try:
            prepared = self.verb.prepare(self.db, subject_id, self.params, self.author)
            is_begun = prepared is not None
            with change(self.db, self.author) as made:
                if not claim_item(made.tx, self.bulk_id, position, is_begun=is_begun):
                    made.unchanged()
                    return False
                facts = self.verb.act(made, subject_id, self.params, self.author, prepared)
                mark_item(made.tx, self.bulk_id, position, state=ItemState.DONE, code=self.verb.done, facts=facts)
        except _BUSY as error:
            log.info("bulk_item_busy", bulk_id=self.bulk_id, position=position, error=type(error).__name__)
            return False
        except psycopg.OperationalError:
            raise
        except FulfilmentError as error:
            self.failed_in_a_row = 0
            return self._mark(position, ItemState.REFUSED, error.code, error.facts, is_begun=is_begun)
        except Exception as error:
            log.exception("bulk_item_failed", bulk_id=self.bulk_id, position=position)
            self.failed_in_a_row += 1
            facts = {"error": type(error).__name__}
            return self._mark(position, ItemState.FAILED, "defect", facts, is_begun=is_begun)
        self.failed_in_a_row = 0
        return True

    def _mark(self, position: int, state: ItemState, code: str, facts: Mapping[str, Any], *, is_begun: bool) -> bool:
        with change(self.db, self.author) as made:
            made.goes_on()
            if not claim_item(made.tx, self.bulk_id, position, is_begun=is_begun):
                return False
            mark_item(made.tx, self.bulk_id, position, state=state, code=code, facts=facts)
        return True

    def _pause(self) -> None:
        """Pause the bulk act, unless a person has stopped it already. The note opens an alarm."""
        author = replace(machine("failing", ActSource.SWEEPER), request_id=self.author.request_id)
        with change(self.db, author) as made:
            locked = lock_act(made.tx, self.bulk_id)
            if locked is None or locked[2] is not ActState.RUNNING:
                made.unchanged()
                return
            set_state(made.tx, self.bulk_id, ActState.PAUSED, "failing")
            before, after = {"state": ActState.RUNNING}, {"state": ActState.PAUSED}
            made.note(Verb.BULK_PAUSED, f"bulk/{self.bulk_id}", before, after, failed=self.failed_in_a_row)
        log.error("bulk_paused", bulk_id=self.bulk_id, failed=self.failed_in_a_row)


def _foresee(tx: Connection, verb: BulkVerb, ids: Sequence[int], params: Params) -> dict[int, str]:
    foreseen: dict[int, str] = {}
    for start in range(0, len(ids), _CHUNK):
        foreseen |= verb.foresee(tx, ids[start : start + _CHUNK], params)
    return foreseen


def _turn(db: Database, bulk_id: int, state: ActState, allowed: frozenset[ActState], author: Author) -> BulkAct:
    with change(db, author) as made:
        _, _, was, _ = _locked(made.tx, bulk_id, allowed)
        set_state(made.tx, bulk_id, state)
        made.note(Verb(f"bulk_{state}"), f"bulk/{bulk_id}", {"state": was}, {"state": state})
    return look(db, bulk_id)


def _locked(tx: Connection, bulk_id: int, allowed: frozenset[ActState]) -> tuple[str, Mapping[str, Any], ActState, str]:
    locked = lock_act(tx, bulk_id)
    if locked is None:
        raise unknown(bulk_id)
    if locked[2] not in allowed:
        raise Conflict("bulk_state", facts={"bulk": bulk_id, "state": locked[2]})
    return locked


def _author(bulk_id: int, running: RunningAct) -> Author:
    reason = f"bulk {bulk_id}: {running.reason}"
    return Author(running.who, reason, Role(running.role), ActSource(running.source), running.request_id)
