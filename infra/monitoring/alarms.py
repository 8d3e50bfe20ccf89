"""Alarms before the ship-by clock runs out, while an order stays late, and when dead letters accumulate."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from domain.ship_by import MARKS, ON_THE_CLOCK
from infra.config.settings import Shop
from infra.monitoring.cursor_age import cursor_ages
from infra.tables import clock
from infra.tables.cases import expired_cases
from infra.tables.clock import RecentQuery
from infra.tables.holds import expired_holds
from infra.tables.letters import LastReport, LetterCause, alarms_raised, forget_alarms, load_causes, note_alarms
from infra.tables.locations import silent_feeds
from infra.tables.placements import silent_warehouses
from infra.tables.pool import Database
from infra.tables.shops import note_behind
from infra.telemetry.log import get_logger

# Orders that are late for more days are not checked for a first alarm, except the newest ones; they are repeated daily.
LATE_DAYS = 7
_NEWEST = 100_000
_AT_ONCE = 5000
# A cause is reported again once its letters have grown by this factor, and every day while it has open letters.
_GROWTH = 2
_REMINDER = timedelta(days=1)
# A shop or location that could not be read for this many seconds counts as silent: orders or scans may be waiting
# there.
SILENT_S = 3600.0
# Seconds until a shop that stays behind is reported again.
_BEHIND_AGAIN_S = 3600.0

log = get_logger(__name__)


def raise_alarms(db: Database) -> int:
    """Raise every mark that an open order has reached since the last round; return how many alarms there were.

    Safe to run twice and side by side: a mark of an order is one row.
    """
    total = 0
    while True:
        with db.transaction() as tx:
            raised = clock.raise_alarms(tx, MARKS, sorted(ON_THE_CLOCK), RecentQuery(LATE_DAYS, _NEWEST), _AT_ONCE)
        for percent, currency, orders, at_risk_minor in raised:
            say = log.error if percent == MARKS[-1] else log.warning
            say("clock_alarm", percent=percent, orders=orders, at_risk_minor=at_risk_minor, currency=currency)
        found = sum(int(orders) for _, _, orders, _ in raised)
        total += found
        if found < _AT_ONCE:
            return total


def repeat_alarms(db: Database) -> int:
    """Raise the last mark again, once a day, of every order that is still late; return how many there were.

    An order with a hold is not reported again before the due time of the hold: the owner of the hold has it.
    """
    total = 0
    while True:
        with db.transaction() as tx:
            looked_at = clock.repeat_alarms(tx, sorted(ON_THE_CLOCK), _AT_ONCE)
        for currency, _, orders, at_risk_minor, days_late in looked_at:
            if orders:
                log.error(
                    "clock_alarm",
                    percent=MARKS[-1],
                    orders=orders,
                    at_risk_minor=at_risk_minor,
                    currency=currency,
                    days_late_max=days_late,
                )
        total += sum(int(orders) for _, _, orders, _, _ in looked_at)
        if sum(int(seen) for _, seen, *_ in looked_at) < _AT_ONCE:
            return total


def is_news(letters: int, told: LastReport | None) -> bool:
    """Whether a cause with this many open letters must be reported: it is new, it grows, or it stays."""
    return told is None or letters >= told.letters * _GROWTH or told.age >= _REMINDER


def alarm_on_letters(db: Database) -> int:
    """One alarm for each cause to report; return the number of alarms.

    Dead letters are no backlog: they may appear while every queue is empty.
    """
    with db.transaction() as tx:
        told = alarms_raised(tx)
        causes = load_causes(tx)
        news = [cause for cause in causes if is_news(cause.letters, told.get(cause.fingerprint))]
        forget_alarms(tx, [cause.fingerprint for cause in causes])
        note_alarms(tx, {cause.fingerprint: cause.letters for cause in news})
    for cause in news:
        _say(cause)
    return len(news)


def _say(cause: LetterCause) -> None:
    log.error(
        "letters_alarm",
        cause=cause.fingerprint,
        at_step=cause.step,
        adapter=cause.adapter,
        code=cause.code,
        letters=cause.letters,
        orders=cause.orders,
        at_risk=[str(money) for money in cause.at_risk],
        look=f"orderlane dlq list --cause {cause.fingerprint}",
    )


def alarm_on_silent_warehouses(db: Database, silent_h: Mapping[str, float]) -> int:
    """Tell of warehouses with open orders that have told nothing for so many hours, by location; how many there are."""
    with db.connection() as connection:
        silent = silent_warehouses(connection, silent_h)
    for one in silent:
        log.error("warehouse_silent", location=one.location, since=one.since.isoformat(), documents=one.documents)
    return len(silent)


def alarm_on_silent_feeds(db: Database) -> int:
    """One alarm for each shop or location that could not be read for an hour; return how many there are."""
    with db.connection() as connection:
        silent = silent_feeds(connection, SILENT_S)
    for account, since, silent_s in silent:
        log.error("feed_silent", account=account, since=since, silent_h=round(silent_s / 3600, 1))
    return len(silent)


def alarm_on_old_cursors(db: Database, shops: Sequence[Shop]) -> int:
    """Report each shop whose cursor is too old, again every hour, and once when it has caught up.

    A shop may be read without an error and still stay behind: this alarm checks how far a shop was read. Returns how
    many shops are behind.
    """
    with db.transaction() as tx:
        ages = cursor_ages(tx, shops)
        behind = [one for one in ages if one.is_behind]
        news = [one for one in behind if one.reported_s is None or one.reported_s >= _BEHIND_AGAIN_S]
        calm = [one for one in ages if one.has_caught_up]
        if news or calm:
            note_behind(tx, [one.account for one in news], [one.account for one in calm])
    for one in news:
        log.error(
            "shop_behind",
            account=one.account,
            cursor_at=one.cursor_at,
            behind_min=round(one.age_s / 60),
            allowed_min=round(one.patience_s / 60),
        )
    for one in calm:
        log.info("shop_caught_up", account=one.account, behind_min=round(one.age_s / 60))
    return len(behind)


def alarm_on_expired_holds(db: Database) -> int:
    """Remind each owner of holds past their due time; return how many there are."""
    with db.connection() as connection:
        expired = expired_holds(connection)
    for owner, holds in expired:
        log.warning("holds_expired", owner=owner, holds=holds)
    return sum(int(holds) for _, holds in expired)


def alarm_on_expired_cases(db: Database) -> int:
    """Remind each owner of cases past their due time; return how many there are."""
    with db.connection() as connection:
        expired = expired_cases(connection)
    for owner, cases in expired:
        log.warning("cases_expired", owner=owner, cases=cases)
    return sum(int(cases) for _, cases in expired)
