"""Write-backs that did not come through."""

from infra.tables import writebacks
from infra.tables.pool import Database
from infra.tables.writebacks import OpenWriteBack, Selection
from ops.views.looking import looking

# Pending for longer is too long: the engine's own tries are over within minutes while the platform is well.
LATE_S = 3600.0


def open_writebacks(db: Database, wanted: Selection) -> list[OpenWriteBack]:
    """The write-backs of a selection, the oldest first."""
    with looking(db) as tx:
        return writebacks.open_writebacks(tx, wanted, LATE_S)
