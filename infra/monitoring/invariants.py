"""Invariants that must hold at every commit, checked in the database: in production on a schedule, and after every
drill.

The checks trust no step: they read rows, not our code. A breach is a defect, never a race, because every
transaction leaves all of them true.
"""

from dataclasses import dataclass

from domain.ship_by import ON_THE_CLOCK
from domain.states import FINAL_STATES, MOVES
from infra.monitoring.alarms import LATE_DAYS
from infra.process.steps import steps_by_subject
from infra.tables.breaches import save_breaches
from infra.tables.invariants import SENTENCES, find_broken
from infra.tables.pool import Connection, Database
from infra.telemetry.log import get_logger

_EXAMPLES_MAX = 20
_NEWEST = 100_000
_GRACE_S = 600.0

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Example:
    """One breach. `order_id` is None where it is of no single order."""

    order_id: int | None
    what: str

    def __str__(self) -> str:
        return f"order {self.order_id}: {self.what}" if self.order_id is not None else self.what


@dataclass(frozen=True, slots=True)
class Breach:
    """An invariant that does not hold, with some examples; `is_more`: there are others."""

    name: str
    sentence: str
    examples: tuple[Example, ...]
    is_more: bool

    def __str__(self) -> str:
        shown = "; ".join(map(str, self.examples))
        return f"{self.name}: {shown}{' and more' if self.is_more else ''}"


def find_breaches(session: Connection) -> list[Breach]:
    """Check all invariants, each in a snapshot of its own; empty when all hold."""
    named = {
        "states": sorted(ON_THE_CLOCK),
        "final_states": sorted(FINAL_STATES),
        "moves": [f"{now} {to} {cause}" for (now, to), causes in MOVES.items() for cause in causes],
        "grace_s": _GRACE_S,
        "days": LATE_DAYS,
        "newest": _NEWEST,
        "limit": _EXAMPLES_MAX + 1,
        **steps_by_subject(),
    }
    breaches: list[Breach] = []
    for name, sentence in SENTENCES.items():
        rows = find_broken(session, name, named)
        if rows:
            examples = tuple(Example(order_id, what) for order_id, what in rows[:_EXAMPLES_MAX])
            breaches.append(Breach(name, sentence, examples, is_more=len(rows) > _EXAMPLES_MAX))
    return breaches


def report_breaches(db: Database) -> int:
    """One round of the schedule: a line for each breach, and one with the count; return the count.

    The result is stored for `orderlane status` and `orderlane doctor`.
    """
    with db.connection() as session:
        breaches = find_breaches(session)
        save_breaches(session, {one.name: len(one.examples) for one in breaches})
    for breach in breaches:
        log.error(
            "invariant_breached",
            invariant=breach.name,
            meaning=breach.sentence,
            examples=[str(example) for example in breach.examples],
            is_more=breach.is_more,
        )
    log.info("invariants_checked", checked=len(SENTENCES), breached=len(breaches))
    return len(breaches)
