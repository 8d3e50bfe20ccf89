"""A forgotten order that changes at its platform: nothing is stored, and a person hears of it by a dead letter."""

from domain.errors import Poison
from domain.order import Lane
from domain.steps import Subject
from infra.engine.failures import bury, cause_entry
from infra.engine.results import Place
from infra.engine.write_outcomes import Writes, write
from infra.process.steps import STEPS
from infra.tables.pool import Connection, Database
from infra.tables.retention import RETENTION, Named
from infra.telemetry.log import get_logger

CODE = "order_forgotten"
_AT_ONCE = 100

log = get_logger(__name__)


def tell_refused(db: Database) -> int:
    """One dead letter for each forgotten order that changed since; how many there were."""
    with db.transaction() as tx:
        refused = tx.execute(RETENTION["take_refused"], {"limit": _AT_ONCE}).fetchall()
        writes = Writes()
        for platform, shop, platform_order_id, cause, end_state, changed_at in refused:
            named = Named(platform, shop, platform_order_id)
            words = (
                f"it was {cause} as {end_state} and its platform shows a change of {changed_at:%Y-%m-%d %H:%M:%S %Z}"
            )
            _tell(tx, named, changed_at, words, writes)
        write(tx, _reader(), writes)
    for platform, shop, platform_order_id, *_ in refused:
        log.error("forgotten_order_changed", shop=f"{platform}/{shop}", platform_order_id=platform_order_id)
    return len(refused)


def _tell(tx: Connection, order: Named, changed_at: object, words: str, writes: Writes) -> None:
    account = f"{order.platform}/{order.shop}"
    named = {"account": account, "platform_order_id": order.platform_order_id, "changed_at": changed_at}
    row = tx.execute(RETENTION["note_refused"], named).fetchone()
    if row is None:
        return
    when = f"{changed_at:%Y-%m-%dT%H:%M:%S%z}"
    cause = cause_entry(Poison(CODE, f"{words}; ask the shop what became of it"), when, 1)
    bury(_reader(), Place(row[0], Lane.P1), (row[0], Lane.P1, account, 0, 0, []), cause, writes)


def _reader() -> str:
    """The step that reads shops: it would have stored the order."""
    return STEPS.of(Subject.SHOP)[0]
