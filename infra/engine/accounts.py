"""Configured shops and locations as rows, each with the work that keeps reading it."""

from datetime import datetime, timedelta, timezone

from domain.errors import Misconfigured
from domain.order import Lane
from domain.steps import Subject
from infra.config.directory import directory_of
from infra.config.settings import Settings
from infra.engine.results import NewWork
from infra.engine.write_outcomes import add_work
from infra.process.steps import STEPS
from infra.tables.locations import ensure_locations, find_locations
from infra.tables.pool import Connection
from infra.tables.shops import ensure_shops, find_shops
from infra.tables.take_over import ShopSettingsRow, note_shops, undecided_shops

CHINA = timezone(timedelta(hours=8))


def ensure_accounts(tx: Connection, settings: Settings) -> None:
    """Store every configured shop and location with its due work, and store how each shop is served.

    Existing work stays unchanged.
    """
    directory = directory_of(settings)
    shops, names = sorted(directory.shops), sorted(directory.locations)
    ensure_shops(tx, shops)
    note_shops(tx, _rows(settings))
    ensure_locations(tx, names)
    found = find_shops(tx, shops)
    add_work(
        tx, [NewWork(step, id_, Lane.P1, account) for step in STEPS.of(Subject.SHOP) for account, id_ in found.items()]
    )
    located = find_locations(tx, names)
    add_work(
        tx,
        [
            NewWork(step, id_, Lane.P1, f"warehouse/{name}")
            for step in STEPS.of(Subject.LOCATION)
            for name, id_ in located.items()
        ],
    )


def refuse_undecided(tx: Connection, settings: Settings, now: datetime) -> None:
    """Check that every new shop says which of its orders are ours. Raises Misconfigured ``take_over_missing`` for shops
    without ``take_over_from`` of which nothing is stored yet.

    Another system may be about to ship the orders that wait there. `now` is only for the line that the error proposes.
    """
    undecided = undecided_shops(tx, _rows(settings))
    if undecided:
        raise Misconfigured(
            "take_over_missing",
            f"nothing is stored yet of {', '.join(undecided)}: say from when on its orders are yours to ship. "
            f"Add to its [[shops]] block: {take_over_line(now)}",
            {"shops": ",".join(undecided)},
        )


def take_over_line(now: datetime) -> str:
    """The line of a ``[[shops]]`` block by which orders paid before `now` stay with the system that ships them."""
    return f"take_over_from = {now.astimezone(CHINA).replace(microsecond=0).isoformat()}"


def _rows(settings: Settings) -> list[ShopSettingsRow]:
    return [
        ShopSettingsRow(shop.account, shop.platform, shop.name, shop.mode, shop.take_over_from)
        for _, shop in sorted(directory_of(settings).shops.items())
    ]
