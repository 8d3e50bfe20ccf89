"""Write-backs that did not come through."""

from infra.tables import writebacks
from infra.tables.pool import Database
from infra.tables.writebacks import OpenWriteBack, Selection
from ops.views.looking import looking

# A write-back that is pending for longer counts as stuck: the engine's own tries end within minutes while the platform
# works.
LATE_S = 3600.0


def open_writebacks(db: Database, wanted: Selection) -> list[OpenWriteBack]:
    """The write-backs of a selection, the oldest first."""
    with looking(db) as tx:
        return writebacks.open_writebacks(tx, wanted, LATE_S)
