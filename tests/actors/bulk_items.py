"""Bulk acts of a test: drafted of some orders, and read item by item."""

from infra.engine.author import Author
from infra.tables.bulk_acts import load_items
from ops.verbs.bulk_acts import NamedItem, draft
from ops.verbs.many import VERBS

LI = Author("li", "the warehouse is being counted")
HOLD = VERBS["order.hold"]
MANUAL = {"code": "manual"}


def ids(merchant):
    return [row[0] for row in merchant.rows("SELECT id FROM orders ORDER BY id")]


def make(merchant, verb=HOLD, params=MANUAL, items=None, author=LI):
    chosen = [NamedItem(place, id_) for place, id_ in enumerate(items or ids(merchant), 1)]
    return draft(merchant.db, verb, params, chosen, chosen={"names": len(chosen)}, author=author)


def items(merchant, bulk):
    with merchant.db.connection() as connection:
        return load_items(connection, bulk.id, state=None, after=0, limit=100)
