"""Configured shops and locations as rows, each with the work that keeps reading it."""

from domain.order import Lane
from domain.states import Step
from infra.accounts.directory import directory_of
from infra.config.settings import Settings
from infra.engine.results import NewWork
from infra.engine.write_outcomes import add_work
from infra.tables.locations import ensure_locations, find_locations
from infra.tables.pool import Connection
from infra.tables.shops import ensure_shops, find_shops


def ensure_accounts(tx: Connection, settings: Settings) -> None:
    """Make every configured shop and location known and due; what is there already is left alone."""
    directory = directory_of(settings)
    shops, names = sorted(directory.shops), sorted(directory.locations)
    ensure_shops(tx, shops)
    ensure_locations(tx, names)
    found = find_shops(tx, shops)
    add_work(tx, [NewWork(Step.PULL, id_, Lane.P1, account) for account, id_ in found.items()])
    located = find_locations(tx, names)
    add_work(tx, [NewWork(Step.WAREHOUSE, id_, Lane.P1, f"warehouse/{name}") for name, id_ in located.items()])
