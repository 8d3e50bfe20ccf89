"""The purge by hand."""

from collections import Counter

from infra.config.retention import Retention
from infra.retention.purge import Purge
from infra.tables.pool import Database


def purge(db: Database, policy: Retention) -> Counter[str]:
    """Purge until nothing is left to; rows by kind."""
    return Counter({kind: rows for kind, rows in Purge(db, policy, batches_max=None).run().items() if rows})
