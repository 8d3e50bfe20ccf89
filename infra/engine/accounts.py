"""Configured shops and locations as rows, each with the work that keeps reading it."""

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


def ensure_accounts(tx: Connection, settings: Settings) -> None:
    """Make every configured shop and location known and due; what is there already is left alone."""
    directory = directory_of(settings)
    shops, names = sorted(directory.shops), sorted(directory.locations)
    ensure_shops(tx, shops)
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
