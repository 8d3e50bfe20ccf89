"""What waits longer than it should."""

from collections.abc import Iterator

from infra.alarms import SILENT_S
from infra.db.pool import Connection
from infra.db.sql import load
from ops.doctor.check import Check, ok, warn

ACCOUNTS = load("accounts")
INSPECT = load("inspect")
RECOUNT = load("recount")
OVERDUE_GRACE_S = 60.0
LONE_SCANS_H = 24
COUNTS_NAMED_MAX = 5


def all_checks(session: Connection) -> Iterator[Check]:
    yield overdue_work(session)
    yield silent_feeds(session)
    yield pull_gaps(session)
    yield lone_scans(session)
    yield expired_holds(session)
    yield dead_letters(session)
    yield refused_counts(session)


def overdue_work(session: Connection) -> Check:
    rows = session.execute(INSPECT["overdue_work"], {"grace_s": OVERDUE_GRACE_S}).fetchall()
    if not rows:
        return ok("work", f"nothing is overdue by more than {OVERDUE_GRACE_S:.0f} s")
    total, oldest_s = sum(count for _, count, _ in rows), max(age_s for *_, age_s in rows)
    steps = ", ".join(f"{step} {count}" for step, count, _ in rows)
    return warn("work", f"{total} overdue, the oldest by {oldest_s:.0f} s ({steps})", "is `orderlane run` running?")


def pull_gaps(session: Connection) -> Check:
    rows = session.execute(INSPECT["pull_gaps"]).fetchall()
    if not rows:
        return ok("pull", "every listed order could be fetched")
    gaps = ", ".join(f"{account} {count} (up to {tries} tries)" for account, count, tries in rows)
    return warn(
        "pull", f"orders listed but not fetched: {gaps}", "they are tried at every pull; ask the platform if they stay"
    )


def silent_feeds(session: Connection) -> Check:
    rows = session.execute(ACCOUNTS["silent_feeds"], {"patience_s": SILENT_S}).fetchall()
    if not rows:
        return ok("feeds", "every shop and location was read within the hour")
    silent = ", ".join(f"{account} for {silent_s / 3600:.0f} h" for account, _, silent_s in rows)
    advice = "is `orderlane run` running? Else `orderlane gates`, and log events `shop_unread`, `feed_unread`"
    return warn("feeds", f"could not be read: {silent}", advice)


def lone_scans(session: Connection) -> Check:
    rows = session.execute(INSPECT["lone_scans"], {"patience_h": LONE_SCANS_H}).fetchall()
    if not rows:
        return ok("scans", "every scan speaks of a package of ours")
    where = ", ".join(f"{location} {count} (such as {reference})" for location, count, reference in rows)
    advice = "the warehouse scanned what we did not book: `orderlane reconcile`, then ask the warehouse"
    return warn("scans", f"of nobody's package for a day: {where}", advice)


def expired_holds(session: Connection) -> Check:
    rows = session.execute(INSPECT["expired_holds"]).fetchall()
    if not rows:
        return ok("holds", "none is past its due time")
    owners = ", ".join(f"{owner} {count}" for owner, count in rows)
    return warn("holds", f"{sum(count for _, count in rows)} past their due time ({owners})", "remind their owners")


def dead_letters(session: Connection) -> Check:
    row = session.execute(INSPECT["dead_letters"]).fetchone()
    assert row is not None
    if not row[0]:
        return ok("dead letters", "none is open")
    return warn("dead letters", f"{row[0]} open", "`orderlane dlq causes`: one line for each cause")


def refused_counts(session: Connection) -> Check:
    """Counts of warehouses that would break promises: our figure stayed."""
    named = session.execute(RECOUNT["refusals"], {"limit": COUNTS_NAMED_MAX}).fetchall()
    if not named:
        return ok("stock", "no warehouse counts less than is promised")
    (total,) = session.execute(RECOUNT["count_refusals"]).fetchone() or (0,)
    skus = ", ".join(f"{sku} at {location}: {counted}, ours {ours}" for location, sku, ours, counted in named)
    advice = "hold or cancel orders of these SKUs, or have them counted again: `orderlane stock count`"
    return warn("stock", f"{total} counts are below what is promised ({skus})", advice)
