"""The verbs about bulk replays: start, pause, resume, cancel. The sweeper does the work."""

from collections.abc import Mapping, Sequence

import msgspec

from domain.dead_letters import KILLED, REPLAYS_MAX, Why, why_not_in_bulk
from domain.errors import Conflict, Refused
from domain.reasons import Reason
from infra.engine.author import Author
from infra.sweeper.bulk_replay import BULK
from infra.tables.audit import Verb, signed
from infra.tables.letters import LetterFilter, of_one_cause
from infra.tables.orders import rows_json
from infra.tables.pool import Connection, Database
from ops.verbs.change import Change, change
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
        raise Refused("filter_empty")
    with change(db, author) as made:
        tx = made.tx
        wanted = of_one_cause(tx, wanted)
        asked = {name: str(value) for name, value in wanted.named().items() if value is not None}
        bulk_id = _create(tx, asked, per_second, author, again=again)
        members = tx.execute(BULK["freeze"], {"id": bulk_id, **wanted.named()}).rowcount
        _begin(made, bulk_id, asked, members, again=again, expect=expect)
    return look(db, bulk_id)


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
    with change(db, author) as made:
        asked = {"letters": str(len(letter_ids))}
        bulk_id = _create(made.tx, asked, per_second, author, again=again)
        members = made.tx.execute(BULK["freeze_named"], {"id": bulk_id, "ids": list(letter_ids)}).rowcount
        _begin(made, bulk_id, asked, members, again=again, expect=expect)
    return look(db, bulk_id)


def _create(tx: Connection, asked: Mapping[str, str], per_second: float, author: Author, *, again: bool) -> int:
    named = {**signed(author), "filter": msgspec.json.encode(asked).decode()}
    row = tx.execute(BULK["create"], {**named, "per_second": per_second, "again": again}).fetchone()
    assert row is not None
    return int(row[0])


def _begin(
    made: Change, bulk_id: int, asked: Mapping[str, str], members: int, *, again: bool, expect: int | None
) -> None:
    if not members:
        raise Refused("nothing_matches", facts={"fault": "no_letter"})
    may_go = members - _keep_out(made.tx, bulk_id, again=again)
    if not may_go:
        raise Refused("none_may_go", facts={"members": members})
    if expect is not None and may_go != expect:
        raise Conflict("preview_changed", facts={"fault": "count", "would": may_go, "expected": expect})
    made.note(Verb.BULK_STARTED, f"bulk/{bulk_id}", None, {"state": "canary", "members": members}, **asked)


def _keep_out(tx: Connection, bulk_id: int, *, again: bool) -> int:
    """Refuse members that must be replayed by name; return how many."""
    asked = {"id": bulk_id, "killed": KILLED, "replays_max": REPLAYS_MAX}
    kept = [
        {"letter_id": letter_id, "state": "refused", "why": why.stored()}
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
    with change(db, author) as made:
        tx = made.tx
        row = tx.execute(BULK["lock"], {"id": bulk_id}).fetchone()
        if row is None:
            raise unknown(bulk_id)
        if row[0] not in allowed:
            raise Conflict("bulk_state", facts={"bulk": bulk_id, "state": row[0]})
        note = Reason(Why.TURNED_BY_PERSON, {"by": author.who, "reason": author.reason}).stored()
        tx.execute(BULK["set_state"], {"id": bulk_id, "state": state, "note": note})
        if state == "cancelled":
            tx.execute(BULK["cancel_waiting"], {"id": bulk_id})
        made.note(Verb(f"bulk_{state}"), f"bulk/{bulk_id}", {"state": row[0]}, {"state": state})
    return look(db, bulk_id)
