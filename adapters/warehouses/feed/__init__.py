"""A warehouse's orders, event feed and stock count: our own protocol, so that any warehouse system can speak it.

`docs/reference/warehouse-feed.md` is its reference: paths, fields, answers, limits and signature.

- Is placing idempotent? Yes: the protocol asks that a repeated ``POST /orders`` with one reference and the same content
  answers the same, and one with other content 409. A warehouse that cannot do so says `is_idempotent = "false"`.
- Can we look up? Yes: ``GET /orders/{reference}``. A 404 counts as "surely none" only with our own error code.
- Limits: a page has 500 events as asked for, and 10,000 at most; a count has 200,000 SKUs at most.
- Final errors: ``refused`` with a code of ours, and 409. Any other answer that is not as written is Malformed.
"""

from adapters.plugin import WarehouseKind
from adapters.warehouses.feed.events import read_events, read_stock
from adapters.warehouses.feed.send import NAME, Feed, build, connect, post
from adapters.warehouses.feed.sign import SIGNERS, sign

__all__ = ["KIND", "NAME", "Feed", "build", "connect", "post", "read_events", "read_stock", "sign"]

KIND = WarehouseKind(NAME, connect, SIGNERS)
