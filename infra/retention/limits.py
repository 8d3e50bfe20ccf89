"""Input beyond a limit: a person is informed, and orders are fetched again when there is room."""

from infra.config.retention import Retention
from infra.tables.pool import Database
from infra.tables.retention import ask_for_newest, forget_refused_inputs, say_refused_inputs
from infra.telemetry.log import get_logger

_AT_ONCE = 100

log = get_logger(__name__)


def mind_limits(db: Database, policy: Retention) -> int:
    """One alarm for each limit that was reached, once a day while it is; how many there were."""
    with db.transaction() as tx:
        said = say_refused_inputs(tx)
    for kind, name, count in said:
        log.error("input_refused", what=kind, of=name, count=count)
    with db.transaction() as tx:
        forget_refused_inputs(tx)
        ask_for_newest(tx, policy.contents_max, _AT_ONCE)
    return len(said)
