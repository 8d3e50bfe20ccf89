"""A forgotten order that changes at its platform: nothing is stored, and a dead letter informs a person."""

from domain.errors import Poison
from domain.order import Lane
from domain.steps import Subject
from infra.engine.failures import add_dead_letter, cause_entry
from infra.engine.results import SubjectRef
from infra.engine.write_outcomes import Writes, write
from infra.process.steps import STEPS
from infra.tables.claims import WorkRow
from infra.tables.pool import Connection, Database
from infra.tables.retention import ForgottenChange, note_refused, take_refused
from infra.telemetry.log import get_logger

CODE = "order_forgotten"
_AT_ONCE = 100

log = get_logger(__name__)


def report_changes(db: Database) -> int:
    """One dead letter for each forgotten order that changed since; how many there were."""
    with db.transaction() as tx:
        refused = take_refused(tx, _AT_ONCE)
        writes = Writes()
        for one in refused:
            _report(tx, one, writes)
        write(tx, _reader(), writes)
    for one in refused:
        shop = f"{one.order.platform}/{one.order.shop}"
        log.error("forgotten_order_changed", shop=shop, platform_order_id=one.order.platform_order_id)
    return len(refused)


def _report(tx: Connection, one: ForgottenChange, writes: Writes) -> None:
    subject_id = note_refused(tx, one.order, one.changed_at)
    if subject_id is None:
        return
    words = (
        f"it was {one.cause} as {one.end_state} and its platform shows a change of "
        f"{one.changed_at:%Y-%m-%d %H:%M:%S %Z}; ask the shop what became of it"
    )
    cause = cause_entry(Poison(CODE, words), f"{one.changed_at:%Y-%m-%dT%H:%M:%S%z}", 1)
    work = WorkRow(subject_id, Lane.P1, f"{one.order.platform}/{one.order.shop}", 0, 0, [])
    add_dead_letter(_reader(), SubjectRef(subject_id, Lane.P1), work, cause, writes)


def _reader() -> str:
    """The step that reads the orders of shops: it would have stored the order."""
    payloads = set(STEPS.of(Subject.RAW_PAYLOAD))
    return next(name for name in STEPS.of(Subject.SHOP) if payloads & set(STEPS[name].leads_to))
