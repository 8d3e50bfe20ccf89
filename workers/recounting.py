"""The leading sweeper's duty: counted stock is read again at each location's pace."""

from dataclasses import dataclass

from domain.errors import FulfilmentError
from domain.gates import GateKind, GateShut
from infra.config.settings import Location, Settings
from infra.engine.author import Source, machine
from infra.process.clock import SystemClock
from infra.tables.gates import load_pauses
from infra.tables.locations import asked_s_ago
from infra.tables.pool import Database
from infra.telemetry.log import get_logger
from ops.verbs.stock_count import count_again

# How often the duty looks whether a location is due.
LOOK_EVERY_S = 30.0

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Recounting:
    """Asks the warehouses whose last count is `count_every_s` old; 0 leaves a location alone, and so does a pause."""

    settings: Settings
    db: Database

    def tend(self) -> None:
        due = self._due()
        if not due:
            return
        author = machine("the warehouse's count", Source.SWEEPER)
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
