"""The verbs about bulk replays: start, pause, resume, cancel. The sweeper does the work."""

from collections.abc import Mapping, Sequence

import msgspec

from domain.dead_letters import KILLED, REPLAYS_MAX, why_not_in_bulk
from domain.errors import Conflict, Refused
from infra.engine.author import Author
from infra.sweeper.bulk_replay import BULK
from infra.tables.letters import LetterFilter, of_one_cause, record_acts
from infra.tables.orders import rows_json
from infra.tables.pool import Connection, Database
from ops.views.bulk import Bulk, look, unknown

RATE_MAX = 500.0


def start(
    db: Database,
    wanted: LetterFilter,
    per_second: float,
    author: Author,
    *,
    again: bool = False,
    expect: int | None = None,
) -> Bulk:
    """Freeze all open letters of a filter into a bulk replay.

    With `expect` only where exactly so many may go. Raises Refused ``filter_empty``, ``cause_ambiguous``,
    ``nothing_matches``, or ``none_may_go`` when each of them must be named itself, and Conflict ``preview_changed``
    when other than `expect` may go.
    """
    if wanted.is_empty:
        raise Refused("filter_empty", "name a cause, step, account, code or time: all letters at once is no filter")
    with db.transaction() as tx:
        wanted = of_one_cause(tx, wanted)
        asked = {name: str(value) for name, value in wanted.named().items() if value is not None}
        made = _create(tx, asked, per_second, author, again=again)
        tx.execute(BULK["freeze"], {"id": made, **wanted.named()})
        _begin(tx, made, asked, author, again=again, expect=expect)
    return look(db, made)


def start_named(
    db: Database,
    letter_ids: Sequence[int],
    per_second: float,
    author: Author,
    *,
    again: bool = False,
    expect: int | None = None,
) -> Bulk:
    """The same of letters by their numbers, of which those that are open become members."""
    with db.transaction() as tx:
        asked = {"letters": str(len(letter_ids))}
        made = _create(tx, asked, per_second, author, again=again)
        tx.execute(BULK["freeze_named"], {"id": made, "ids": list(letter_ids)})
        _begin(tx, made, asked, author, again=again, expect=expect)
    return look(db, made)


def _create(tx: Connection, asked: Mapping[str, str], per_second: float, author: Author, *, again: bool) -> int:
    named = {"who": author.who, "reason": author.reason, "filter": msgspec.json.encode(asked).decode()}
    row = tx.execute(BULK["create"], {**named, "per_second": per_second, "again": again}).fetchone()
    assert row is not None
    return int(row[0])


def _begin(
    tx: Connection, bulk_id: int, asked: Mapping[str, str], author: Author, *, again: bool, expect: int | None
) -> None:
    row = tx.execute(BULK["count_open"], {"id": bulk_id}).fetchone()
    members = row[0] if row else 0
    if not members:
        raise Refused("nothing_matches", "no open dead letter matches")
    may_go = members - _keep_out(tx, bulk_id, again=again)
    if not may_go:
        raise Refused("none_may_go", f"none of {members} may go in bulk: they killed workers, or need --again")
    if expect is not None and may_go != expect:
        raise Conflict("preview_changed", f"{may_go} would be replayed, not {expect}: nothing is done")
    record_acts(tx, author.who, "bulk_started", author.reason, [(f"bulk/{bulk_id}", {**asked, "members": members})])


def _keep_out(tx: Connection, bulk_id: int, *, again: bool) -> int:
    """Refuse members that must be replayed by name; return how many."""
    asked = {"id": bulk_id, "killed": KILLED, "replays_max": REPLAYS_MAX}
    kept = [
        {"letter_id": letter_id, "state": "refused", "why": why}
        for letter_id, code, replays in tx.execute(BULK["doubtful"], asked).fetchall()
        if (why := why_not_in_bulk(code, replays, again=again))
    ]
    tx.execute(BULK["mark_members"], {"id": bulk_id, "rows": rows_json(kept)})
    return len(kept)


def pause(db: Database, bulk_id: int, author: Author) -> Bulk:
    """No further member goes until it is resumed. Raises Conflict ``bulk_state``."""
    return _turn(db, bulk_id, "paused", frozenset({"canary", "running"}), author)


def resume(db: Database, bulk_id: int, author: Author) -> Bulk:
    """Go on, without waiting for a canary. Raises Conflict ``bulk_state``."""
    return _turn(db, bulk_id, "running", frozenset({"paused"}), author)


def cancel(db: Database, bulk_id: int, author: Author) -> Bulk:
    """Members that wait stay dead letters; what went stays gone. Raises Conflict ``bulk_state``."""
    return _turn(db, bulk_id, "cancelled", frozenset({"canary", "running", "paused"}), author)


def _turn(db: Database, bulk_id: int, state: str, allowed: frozenset[str], author: Author) -> Bulk:
    with db.transaction() as tx:
        row = tx.execute(BULK["lock"], {"id": bulk_id}).fetchone()
        if row is None:
            raise unknown(bulk_id)
        if row[0] not in allowed:
            raise Conflict("bulk_state", f"bulk {bulk_id} is {row[0]} already")
        tx.execute(BULK["set_state"], {"id": bulk_id, "state": state, "note": f"by {author.who}: {author.reason}"})
        if state == "cancelled":
            tx.execute(BULK["cancel_waiting"], {"id": bulk_id})
        record_acts(tx, author.who, f"bulk_{state}", author.reason, [(f"bulk/{bulk_id}", {"was": row[0]})])
    return look(db, bulk_id)
