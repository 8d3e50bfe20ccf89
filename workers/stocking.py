"""Counted stock of every location: asked for when a release is made, again where nothing could be counted, and then at
each location's pace.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.errors import FulfilmentError
from domain.gates import GateKind, GateShut
from infra.config.settings import Location, Settings
from infra.engine.author import ActSource, machine
from infra.process.clock import SystemClock
from infra.tables.gates import load_pauses
from infra.tables.locations import asked_s_ago
from infra.tables.pool import Database
from infra.tables.stock import uncounted
from infra.tables.unreadable import accounts_with_bad_rows
from infra.telemetry.log import get_logger
from ops.verbs.stock import count_again, note_answer, stock_up

# How long after a failed load a warehouse is asked for its stock again.
AGAIN_S = 60.0
# How often the sweeper looks whether a location is to be counted again.
LOOK_EVERY_S = 30.0

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


@dataclass(frozen=True, slots=True)
class Recounting:
    """The leading sweeper's duty: warehouses are asked again whose last count is `count_every_s` old.

    0 leaves a location alone, and so does a pause.
    """

    settings: Settings
    db: Database

    def tend(self) -> None:
        due = self._due()
        if not due:
            return
        author = machine("the warehouse's count", ActSource.SWEEPER)
        for name, answer in count_again(self.settings, self.db, SystemClock(), due, author).items():
            if isinstance(answer, GateShut):
                log.warning("stock_not_counted", location=name, error=str(answer))
            elif isinstance(answer, FulfilmentError):
                log.error("stock_not_counted", location=name, error=str(answer))
            elif answer.new or answer.raised or answer.lowered:
                log.info(
                    "stock_recounted",
                    location=name,
                    new=len(answer.new),
                    raised=len(answer.raised),
                    lowered=len(answer.lowered),
                )

    def _due(self) -> list[Location]:
        paced = [location for location in self.settings.outside_locations if location.count_every_s > 0]
        if not paced:
            return []
        with self.db.connection() as connection:
            asked = asked_s_ago(connection, [location.name for location in paced])
            paused = {pause.name for pause in load_pauses(connection) if pause.kind is GateKind.ACCOUNT}
        return [
            one
            for one in paced
            if one.account not in paused and one.name in asked and _is_due(asked[one.name], one.count_every_s)
        ]


def _is_due(asked_s: float | None, every_s: float) -> bool:
    return asked_s is None or asked_s >= every_s
