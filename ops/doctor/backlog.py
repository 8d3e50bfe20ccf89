"""What waits longer than it should."""

from collections.abc import Iterator, Sequence

import psycopg

from adapters.foreign import is_waybill
from infra.config.settings import Shop
from infra.monitoring.alarm_conditions import LATE_RECENT_H, UNSETTLED_H
from infra.monitoring.alarms import SILENT_S
from infra.monitoring.cursor_age import cursor_ages
from infra.tables import holds, locations, scans, work
from infra.tables import shops as shops_table
from infra.tables.alarms import count_open, open_alarms
from infra.tables.cases import expired_cases as late_cases
from infra.tables.gaps import open_gaps
from infra.tables.letters import count_open as count_letters
from infra.tables.listings import count_wanted
from infra.tables.pool import Connection
from infra.tables.recount import count_refusals, refusals
from infra.tables.stock import uncounted
from infra.tables.unreadable import EntrySource, count_by_account
from ops.doctor.check import Check, ok, warn
from ops.faces.terminal.alarms import alarm_in_words

_ENTRIES = {EntrySource.SCAN: "scans", EntrySource.STOCK: "stock rows"}
OVERDUE_GRACE_S = 60.0
GAPS_SHOWN = 5
LONE_SCANS_H = 24
_NAMED = 5
COUNTS_NAMED_MAX = 5


def all_checks(session: Connection, shops: Sequence[Shop]) -> Iterator[Check]:
    yield alarms(session)
    yield overdue_work(session)
    yield silent_feeds(session)
    yield old_cursors(session, shops)
    yield pull_gaps(session)
    yield found_late(session)
    yield lone_scans(session)
    yield unreadable_entries(session)
    yield expired_holds(session)
    yield expired_cases(session)
    yield unwanted_waybills(session)
    yield dead_letters(session)
    yield refused_counts(session)
    yield missing_skus(session)


def alarms(session: Connection) -> Check:
    """The open alarms, which the sweeper found; other lines check by themselves."""
    found = open_alarms(session, limit=_NAMED)
    if not found:
        return ok("alarms", "none is open")
    total = sum(one.alarms for one in count_open(session))
    named = "; ".join(map(alarm_in_words, found))
    more = f"; and {total - len(found)} more" if total > len(found) else ""
    return warn("alarms", f"{total} open: {named}{more}", "`orderlane alarm list` says what to do about each")


def overdue_work(session: Connection) -> Check:
    rows = work.overdue_work(session, OVERDUE_GRACE_S)
    if not rows:
        return ok("work", f"nothing is overdue by more than {OVERDUE_GRACE_S:.0f} s")
    total, oldest_s = sum(count for _, count, _ in rows), max(age_s for *_, age_s in rows)
    steps = ", ".join(f"{step} {count}" for step, count, _ in rows)
    return warn("work", f"{total} overdue, the oldest by {oldest_s:.0f} s ({steps})", "is `orderlane run` running?")


def pull_gaps(session: Connection) -> Check:
    rows = open_gaps(session, GAPS_SHOWN)
    if not rows:
        return ok("pull", "every listed order could be fetched")
    named = ", ".join(
        f"{order} ({error}, {tries} tries, for {age_s / 60:.0f} min)" for order, error, tries, age_s, _ in rows
    )
    total = rows[0][-1]
    more = f" and {total - len(rows)} more" if total > len(rows) else ""
    advice = "they are tried again with longer and longer pauses; after two hours each is a dead letter of `pull`"
    return warn("pull", f"{total} listed but not fetched: {named}{more}", advice)


def found_late(session: Connection) -> Check:
    behind = shops_table.unsettled(session, UNSETTLED_H)
    if behind:
        shops = ", ".join(f"{account} by {behind_s / 3600:.0f} h" for account, behind_s in behind)
        return warn("late", f"the second reading is behind: {shops}", "log event `shop_not_read_again` says why")
    rows = shops_table.found_late(session, LATE_RECENT_H)
    if not rows:
        return ok("late", "no second reading has found a change that the first had missed")
    shops = ", ".join(f"{account} {count} (last {at:%Y-%m-%d %H:%M} UTC)" for account, count, at, _ in rows)
    told = f"changes that the platform wrote later than it says, found by the second reading: {shops}"
    if not any(is_recent for *_, is_recent in rows):
        return ok("late", told)
    return warn("late", told, "they came `settle_s` late; a longer `overlap_s` of the shop finds them sooner")


def silent_feeds(session: Connection) -> Check:
    rows = locations.silent_feeds(session, SILENT_S)
    if not rows:
        return ok("feeds", "every shop and location was read within the hour")
    silent = ", ".join(f"{account} for {silent_s / 3600:.0f} h" for account, _, silent_s in rows)
    advice = "is `orderlane run` running? Else `orderlane gates`, and log events `shop_unread`, `feed_unread`"
    return warn("feeds", f"could not be read: {silent}", advice)


def old_cursors(session: Connection, shops: Sequence[Shop]) -> Check:
    behind = [one for one in cursor_ages(session, shops) if one.is_behind]
    if not behind:
        return ok("cursors", "the changes of every shop are stored as far as `cursor_age_max_s` demands")
    named = ", ".join(
        f"{one.account} by {one.age_s / 60:.0f} min (allowed {one.patience_s / 60:.0f})" for one in behind
    )
    advice = (
        "a shop that is read catches up by itself, as fast as its `limit` and the platform allow;"
        " else `orderlane gates`, and log event `shop_unread`"
    )
    return warn("cursors", f"behind the present: {named}", advice)


def lone_scans(session: Connection) -> Check:
    rows = scans.lone_scans(session, LONE_SCANS_H)
    if not rows:
        return ok("scans", "every scan names a package of ours")
    where = ", ".join(
        f"{location} {count}" + (f" (such as {reference})" if is_waybill(reference) else "")
        for location, count, reference in rows
    )
    advice = "the warehouse scanned what we did not book: `orderlane reconcile`, then ask the warehouse"
    return warn("scans", f"without a known package for a day: {where}", advice)


def unreadable_entries(session: Connection) -> Check:
    rows = count_by_account(session)
    if not rows:
        return ok("unreadable", "every scan and stock row could be read")
    where = ", ".join(f"{account} {count} {_ENTRIES[EntrySource(source)]}" for account, source, count in rows)
    total = sum(count for *_, count in rows)
    return warn("unreadable", f"{total} open: {where}", "`orderlane entry list` names them; ask the warehouse")


def expired_holds(session: Connection) -> Check:
    rows = holds.expired_holds(session)
    if not rows:
        return ok("holds", "none is past its due time")
    owners = ", ".join(f"{owner} {count}" for owner, count in rows)
    return warn("holds", f"{sum(count for _, count in rows)} past their due time ({owners})", "remind their owners")


def expired_cases(session: Connection) -> Check:
    rows = late_cases(session)
    if not rows:
        return ok("cases", "none is past its due time")
    owners = ", ".join(f"{owner} {count}" for owner, count in rows)
    advice = "`orderlane case list` names them; settle each, then `orderlane case close N --reason R`"
    return warn("cases", f"{sum(count for _, count in rows)} past their due time ({owners})", advice)


def unwanted_waybills(session: Connection) -> Check:
    rows = holds.unwanted_waybills(session, _NAMED + 1)
    if not rows:
        return ok("waybills", "each valid waybill is wanted")
    named = ", ".join(f"{order} has {waybill} of {courier}" for order, courier, waybill in rows[:_NAMED])
    more = " and more" if len(rows) > _NAMED else ""
    advice = (
        "cancel each at its courier; then `orderlane order release ID --code unwanted_waybill --reason R`, or"
        " `orderlane case close N --reason R` where it is a case"
    )
    return warn("waybills", f"valid although nobody wants them: {named}{more}", advice)


def dead_letters(session: Connection) -> Check:
    letters = count_letters(session)
    if not letters:
        return ok("dead letters", "none is open")
    return warn("dead letters", f"{letters} open", "`orderlane dlq causes`: one line for each cause")


def counted_stock(session: Connection, names: Sequence[str]) -> Check:
    """Locations without counted stock: no order can get stock there."""
    try:
        bare = uncounted(session, names)
    except psycopg.errors.UndefinedTable:
        bare = set(names)
    if not bare:
        return ok("counted", "stock was counted at every location")
    advice = (
        "`orderlane run` asks the warehouses at its start, and `orderlane stock count` asks again;"
        " of a location of your own: `orderlane stock import`"
    )
    return warn("counted", f"no stock was counted yet at: {', '.join(sorted(bare))}", advice)


def refused_counts(session: Connection) -> Check:
    """Counts of warehouses below the promised pieces: our figure stayed."""
    named = refusals(session, COUNTS_NAMED_MAX)
    if not named:
        return ok("stock", "no warehouse counts less than is promised")
    total = count_refusals(session)
    skus = ", ".join(f"{sku} at {location}: {counted}, ours {ours}" for location, sku, ours, counted in named)
    advice = "hold or cancel orders of these SKUs, or have them counted again: `orderlane stock count`"
    return warn("stock", f"{total} counts are below what is promised ({skus})", advice)


def missing_skus(session: Connection) -> Check:
    """Lines that cannot be picked: without a SKU, or with a SKU that stock does not know."""
    listings, orders = count_wanted(session)
    if not listings:
        return ok("listings", "no order waits for a SKU")
    advice = "`orderlane sku list --unmapped` names them, `orderlane sku map` says what they are"
    return warn("listings", f"{listings} listings without SKU, {orders} orders wait", advice)
