"""Whether `take_over_from` is set where it is required, and what would have been done for watched shops."""

from collections.abc import Iterator

from domain.errors import Misconfigured
from domain.take_over import NOT_TAKEN_OVER, WATCHED
from infra.config.directory import directory_of
from infra.config.settings import Settings
from infra.engine.accounts import refuse_undecided
from infra.process.clock import Clock
from infra.tables.pool import Connection
from infra.tables.take_over import KeptOutCount, count_kept_out, waiting_in_watch, watched_shops
from ops.doctor.check import Check, fail, ok, warn

# Kept-out fulfillment orders that are looked at, in about a second.
COUNTED_MAX = 100_000


def all_checks(session: Connection, settings: Settings, clock: Clock) -> Iterator[Check]:
    yield undecided(session, settings, clock)
    counts = count_kept_out(session, COUNTED_MAX)
    yield from watched(session, settings, counts)
    yield from kept_out(counts)


def undecided(session: Connection, settings: Settings, clock: Clock) -> Check:
    try:
        refuse_undecided(session, settings, clock.utcnow())
    except Misconfigured as error:
        return fail("take over", error.message, "without the line nothing starts; see docs/how-to/take-over.md")
    return ok("take over", "`take_over_from` is set for every new shop")


def watched(session: Connection, settings: Settings, counts: list[KeptOutCount]) -> Iterator[Check]:
    """One check for each shop that is watched, or is about to be."""
    by_account = {one.account: one for one in counts if one.reason == WATCHED}
    configured = directory_of(settings).shops
    since = {account: at for account, at in watched_shops(session).items() if account in configured}
    for account in sorted(settings.watched_shops | since.keys()):
        if account not in since:
            yield warn(
                account, "is to be watched and is not yet", "restart `orderlane run`, or `python -m workers.release`"
            )
            continue
        one = by_account.get(account)
        would = (
            f"would have shipped {one.would_ship} and held {one.would_hold} of {one.in_words}" if one else "no order"
        )
        by_step = waiting_in_watch(session, account)
        rests = "".join(f"; {count} {step} of earlier orders rest" for step, count in by_step.items())
        message = f"in watch mode since {since[account]:%Y-%m-%d %H:%M} UTC: {would} that wait on the platform{rests}"
        if account in settings.watched_shops:
            yield ok(account, message)
        else:
            yield warn(
                account, message, "the settings say live: restart `orderlane run`, or `python -m workers.release`"
            )


def kept_out(counts: list[KeptOutCount]) -> Iterator[Check]:
    waiting = [one for one in counts if one.reason == NOT_TAKEN_OVER]
    if waiting:
        shops = ", ".join(f"{one.account} {one.in_words}" for one in waiting)
        yield ok("kept out", f"paid before the take-over and not shipped yet: {shops}; `orderlane order kept-out`")
