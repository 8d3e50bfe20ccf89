"""Configured shops and locations as rows, each with the work that keeps reading it."""

from domain.order import Lane
from domain.steps import Subject
from infra.config.settings import Settings
from infra.engine.results import NewWork
from infra.engine.write_outcomes import add_work
from infra.process.steps import STEPS
from infra.tables.pool import Connection
from infra.tables.sql import load

ACCOUNTS = load("accounts")


def ensure_accounts(tx: Connection, settings: Settings) -> None:
    """Make every configured shop and location known and due; what is there already is left alone."""
    shops = sorted(shop.account for shop in settings.shops)
    names = sorted(location.name for location in settings.locations)
    tx.execute(ACCOUNTS["ensure_shops"], {"accounts": shops})
    tx.execute(ACCOUNTS["ensure_locations"], {"names": names})
    found = tx.execute(ACCOUNTS["find_shops"], {"accounts": shops}).fetchall()
    add_work(tx, [NewWork(step, id_, Lane.P1, account) for step in STEPS.of(Subject.SHOP) for id_, account in found])
    located = tx.execute(ACCOUNTS["find_locations"], {"names": names}).fetchall()
    add_work(
        tx,
        [
            NewWork(step, id_, Lane.P1, f"warehouse/{name}")
            for step in STEPS.of(Subject.LOCATION)
            for id_, name in located
        ],
    )
