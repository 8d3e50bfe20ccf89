"""Checkers: conditions that must hold after every drill, read from the sandbox and from our own tables."""

from collections import Counter
from collections.abc import Collection, Iterable

from drills.drill import Trial
from drills.queries import DRILLS
from infra.monitoring.invariants import find_breaches
from workers.demo.run import RunningDemo, conclude

_SHOWN = 5


def check_all(demo: RunningDemo, trial: Trial, *, dead: int = 0, readdressed: Collection[str] = frozenset()) -> None:
    """Three ledgers, one effect of each kind, each move once, and as many dead letters as were meant.

    `readdressed`: the platform's ids of orders whose parcels rightly go to another receiver than the platform shows.
    """
    outcome = conclude(demo, 0.0)
    comparison = outcome.comparison
    trial.check(
        "three ledgers agree", comparison.agrees, _brief(comparison.contradictions) or dict(comparison.verdicts)
    )
    trial.check("no second waybill", comparison.duplicate_waybills == 0, comparison.duplicate_waybills)
    check_effects(demo, trial, readdressed)
    letters = letters_of(demo)
    trial.check("dead letters", len(letters) == dead, _brief(letters) or dead)


def check_effects(demo: RunningDemo, trial: Trial, readdressed: Collection[str] = frozenset()) -> None:
    """Write-backs, notices and moves, each once; and the invariants of production."""
    ledger = demo.stage.read("_ledger")
    contents = [row["content"] for row in ledger["told"]]
    told = Counter((one["data"]["platform_order_id"], one["data"]["waybill"], one["type"]) for one in contents)
    told_twice = [key for key, count in told.items() if count > 1]
    trial.check("one event id a notice", not told_twice, _brief(told_twice) or len(told))
    # Pieces of one line may go in several packages, each under a number of its own.
    written = Counter(
        (row["tid"], line, row["number"] if row["pieces"] else "")
        for row in ledger["write_backs"]
        for line in row["line_ids"]
    )
    written_twice = [key for key, count in written.items() if count > 1]
    trial.check("one write-back a line", not written_twice, _brief(written_twice) or len(written))
    check_texts(demo, trial)
    alarms = [one for one in ledger["alarms"] if one["kind"] != "misdirected" or str(one["tid"]) not in readdressed]
    trial.check("nothing misdirected", not alarms, _brief(alarms))
    with demo.db.connection() as connection:
        moves = connection.execute(DRILLS["repeated_moves"]).fetchall()
        breaches = find_breaches(connection)
    trial.check("each move once", not moves, _brief(moves))
    trial.check("invariants", not breaches, _brief(breaches))


def check_texts(demo: RunningDemo, trial: Trial) -> None:
    """At most one text message a notice; exactly one where our record says so; an unknown outcome is recorded as
    unknown.
    """
    with demo.db.connection() as connection:
        believed = dict(connection.execute(DRILLS["texts"]).fetchall())
    if not believed:
        return
    sent = Counter(row["event_id"] for row in demo.stage.read("_ledger")["texted"])
    allowed = {"told": {1}, "unknown": {0, 1}}
    wrong = [
        f"{status}: {sent[id_]} sent" for id_, status in believed.items() if sent[id_] not in allowed.get(status, {0})
    ]
    strangers = sent.keys() - believed.keys()
    seen = ", ".join(f"{count} {status}" for status, count in sorted(Counter(believed.values()).items()))
    trial.check("one text message a notice, or recorded as unknown", not wrong and not strangers, _brief(wrong) or seen)


def number(demo: RunningDemo, query: bytes) -> int:
    """The one number that a query answers."""
    with demo.db.connection() as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def letters_of(demo: RunningDemo) -> list[tuple[str, int, str, int]]:
    """Open dead letters of orders: step, subject, code, crashes."""
    with demo.db.connection() as connection:
        return [(row[0], row[1], row[2], row[3]) for row in connection.execute(DRILLS["letters"]).fetchall()]


def rejected_messages(demo: RunningDemo) -> dict[str, int]:
    """Messages that became letters, by code; not those for a step nobody knows, which are offered for a while."""
    with demo.db.connection() as connection:
        found = dict(connection.execute(DRILLS["rejected_messages"]).fetchall())
    return {code: count for code, count in found.items() if code != "message_unknown_actor"}


def _brief(rows: Iterable[object]) -> str:
    listed = [str(row) for row in rows]
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return "; ".join(listed[:_SHOWN]) + more
