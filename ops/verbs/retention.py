"""The purge by hand."""

from collections import Counter

from infra.config.retention import Retention
from infra.engine.author import Author
from infra.retention.purge import Purge
from infra.tables.audit import Verb
from infra.tables.pool import Database
from ops.verbs.change import change


def purge(db: Database, policy: Retention, author: Author) -> Counter[str]:
    """Purge until nothing is left to; rows by kind. That it was asked for is written down before it begins."""
    with change(db, author) as made:
        made.note(Verb.PURGE_ASKED, "retention", None, None, **{str(kind): days for kind, days in policy.days.items()})
    return Counter({kind: rows for kind, rows in Purge(db, policy, batches_max=None).run().items() if rows})
