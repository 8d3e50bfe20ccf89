"""The verbs about bulk replays: start, pause, resume, cancel. The sweeper does the work."""

from collections.abc import Mapping, Sequence

from domain.dead_letters import KILLED, REPLAYS_MAX, NoReplay, why_not_in_bulk
from domain.errors import Conflict, Refused
from domain.reasons import Reason
from infra.engine.author import Author
from infra.tables.audit import Verb
from infra.tables.bulk import (
    Bulk,
    Mark,
    NewBulk,
    cancel_waiting,
    create_bulk,
    doubtful_members,
    freeze_members,
    freeze_named,
    lock_bulk,
    mark_members,
    set_state,
)
from infra.tables.letters import LetterFilter, of_one_cause
from infra.tables.pool import Connection, Database
from ops.verbs.change import Change, change
from ops.views.bulk import look, unknown

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
        bulk_id = create_bulk(tx, author, NewBulk(asked, per_second, again))
        members = freeze_members(tx, bulk_id, wanted.named())
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
    """Freeze the open ones of some letters, given by number, into a bulk replay, as `start` does for a filter."""
    with change(db, author) as made:
        asked = {"letters": str(len(letter_ids))}
        bulk_id = create_bulk(made.tx, author, NewBulk(asked, per_second, again))
        members = freeze_named(made.tx, bulk_id, letter_ids)
        _begin(made, bulk_id, asked, members, again=again, expect=expect)
    return look(db, bulk_id)


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
    kept = [
        Mark(letter_id, "refused", why.stored())
        for letter_id, code, replays in doubtful_members(tx, bulk_id, killed=KILLED, replays_max=REPLAYS_MAX)
        if (why := why_not_in_bulk(code, replays, again=again))
    ]
    mark_members(tx, bulk_id, kept)
    return len(kept)


def pause(db: Database, bulk_id: int, author: Author) -> Bulk:
    """Replay no further member until the bulk is resumed. Raises Conflict ``bulk_state``."""
    return _turn(db, bulk_id, "paused", frozenset({"canary", "running"}), author)


def resume(db: Database, bulk_id: int, author: Author) -> Bulk:
    """Go on, without waiting for a canary. Raises Conflict ``bulk_state``."""
    return _turn(db, bulk_id, "running", frozenset({"paused"}), author)


def cancel(db: Database, bulk_id: int, author: Author) -> Bulk:
    """Members that wait stay dead letters; members that were replayed stay replayed. Raises Conflict ``bulk_state``."""
    return _turn(db, bulk_id, "cancelled", frozenset({"canary", "running", "paused"}), author)


def _turn(db: Database, bulk_id: int, state: str, allowed: frozenset[str], author: Author) -> Bulk:
    with change(db, author) as made:
        tx = made.tx
        was = lock_bulk(tx, bulk_id)
        if was is None:
            raise unknown(bulk_id)
        if was not in allowed:
            raise Conflict("bulk_state", facts={"bulk": bulk_id, "state": was})
        note = Reason(NoReplay.TURNED_BY_PERSON, {"by": author.who, "reason": author.reason}).stored()
        set_state(tx, bulk_id, state, note)
        if state == "cancelled":
            cancel_waiting(tx, bulk_id)
        made.note(Verb(f"bulk_{state}"), f"bulk/{bulk_id}", {"state": was}, {"state": state})
    return look(db, bulk_id)
