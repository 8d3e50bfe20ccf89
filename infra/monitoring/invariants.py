"""What must hold at every commit, asked of the database itself: in production on a schedule, and after every drill.

The checks trust no step: they read rows, not our code. A breach is a defect, never a race, because every
transaction leaves all of them true.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.ship_by import ON_THE_CLOCK
from domain.states import FINAL_STATES, MOVES
from infra.monitoring.alarms import LATE_DAYS
from infra.monitoring.signals import SIGNALS
from infra.process.steps import steps_by_subject
from infra.tables.pool import Connection, Database
from infra.tables.sql import load
from infra.telemetry.log import get_logger

INVARIANT = load("invariants")

# By the name of its query.
SENTENCES: Mapping[str, str] = {
    "open_order_moves": (
        "Every open fulfillment order has due work, an open hold or dead letter, "
        "or a booked label and waits for the warehouse's scans, or is not ours."
    ),
    "clock_is_heard": "Whoever is past its ship-by clock has raised its last alarm.",
    "hold_has_owner": "Every open hold has an owner and a due time.",
    "final_has_time": "A final state, and no other, has its time.",
    "history_is_legal": "Every move on the timeline stands in the table of moves, with who made it.",
    "one_live_shipment": "A package has at most one live shipment.",
    "intent_is_resolved": (
        "A booking that may have happened is due to be asked about, or has an open dead letter or hold of its label."
    ),
    "unwanted_is_shown": "A waybill that lives for a closed order is shown by a hold, until a person releases that.",
    "shipped_has_waybill": "What has left the house has a booked waybill for each package.",
    "pool_counts": "The pool's counters are the sums of its reservations.",
    "location_counts": "A location's counter is the sum of what is allocated there.",
    "never_oversold": "Nothing is promised beyond what is on hand.",
    "closed_frees_stock": "A closed order keeps no stock.",
    "planned_counts": "A line's counter of planned pieces is the sum of its fulfillment lines that are not closed.",
    "packed_counts": "A fulfillment line's counter of packed pieces is the sum of its packages that are not cancelled.",
    "never_beyond_sold": (
        "No more pieces are planned, cancelled or shipped elsewhere than were sold, and none is packed that is not "
        "planned."
    ),
    "nothing_is_forgotten": (
        "While an order is under way, each piece of ours is planned, cancelled or shipped elsewhere."
    ),
    "confirmed_is_booked": "A confirmed write-back has a booked waybill.",
    "platform_will_hear": "What was handed over is written back, or is due to be, or somebody decides.",
    "buyer_will_hear": "A notice is settled, or is due, or somebody decides.",
    "payload_is_read": "A stored payload became an order, or is due to be read, or somebody decides.",
    "work_has_subject": "Due work has its subject.",
}

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
        rows = session.execute(INVARIANT[name], named).fetchall()
        if rows:
            examples = tuple(Example(order_id, what) for order_id, what in rows[:_EXAMPLES_MAX])
            breaches.append(Breach(name, sentence, examples, is_more=len(rows) > _EXAMPLES_MAX))
    return breaches


def report_breaches(db: Database) -> int:
    """One round of the schedule: a line for each breach, and one with the count; return the count.

    What it found is written down for whoever asks how the house stands.
    """
    with db.connection() as session:
        breaches = find_breaches(session)
        found = {"names": [one.name for one in breaches], "examples": [len(one.examples) for one in breaches]}
        session.execute(SIGNALS["save_breaches"], found)
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
