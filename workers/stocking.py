"""Counted stock of every location: asked for when a release is made, and again where nothing could be counted."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.errors import FulfilmentError
from domain.gates import GateShut
from infra.config.settings import Location, Settings
from infra.process.clock import SystemClock
from infra.tables.pool import Database
from infra.tables.stock import uncounted
from infra.tables.unreadable import accounts_with_bad_rows
from infra.telemetry.log import get_logger
from ops.verbs.stock_count import note_answer
from ops.verbs.stock_up import stock_up

# How long after a failed load a warehouse is asked for its stock again.
AGAIN_S = 60.0

log = get_logger(__name__)


def load(settings: Settings, db: Database, locations: Sequence[Location]) -> None:
    """Count in what the locations' warehouses report; one that is away is logged."""
    if not locations:
        return
    for name, answer in stock_up(settings, db, SystemClock(), locations).items():
        note_answer(db, name, answer)
        if isinstance(answer, GateShut):
            log.warning("stock_not_loaded", location=name, error=str(answer), again_in_s=AGAIN_S)
        elif isinstance(answer, FulfilmentError):
            log.error("stock_not_loaded", location=name, error=str(answer), again_in_s=AGAIN_S)
        else:
            log.info("stock_loaded", location=name, skus=answer.skus)
            if answer.rejected:
                unreadable = len(answer.rejected)
                log.error("stock_rows_unreadable", location=name, count=unreadable, again_in_s=AGAIN_S)


@dataclass(slots=True)
class Stocking:
    """The leading sweeper's duty: locations are asked until something was counted and every row could be read."""

    settings: Settings
    db: Database
    is_done: bool = False

    def tend(self) -> None:
        if self.is_done:
            return
        locations = self.settings.outside_locations
        with self.db.connection() as connection:
            bare = uncounted(connection, [location.name for location in locations])
            bad = accounts_with_bad_rows(connection, [location.account for location in locations])
        asked = [each for each in locations if each.name in bare or each.account in bad]
        self.is_done = not asked
        load(self.settings, self.db, asked)
