"""Erase one person, by order or by what they are called."""

from collections.abc import Sequence

from domain.errors import Refused
from infra.engine.author import Author
from infra.retention.erase import ERASURES, ask, carry_out, usable, words_of
from infra.tables.letters import record_acts
from infra.tables.pool import Database
from infra.tables.retention import Named, by_column
from ops.views.erasures import Erasure, plan, show


def erase(
    db: Database, orders: Sequence[Named], author: Author, *, words: Sequence[str] = (), when_ended: bool = False
) -> Erasure:
    """Erase the person of these orders, and return the record.

    Raises Refused ``order_in_flight`` unless `when_ended`, and ``reason_personal`` for a reason that names the person,
    by one of the words or as an order does.
    """
    with db.connection() as connection:
        said = words_of(connection, orders)
    if any(word in author.reason for word in (*usable(words), *said)):
        raise Refused("reason_personal", "the reason names the person, and would be kept: say it without")
    found = plan(db, orders)
    if found.in_flight and not when_ended:
        raise Refused("order_in_flight", "; ".join(found.in_flight))
    with db.transaction() as tx:
        id_ = ask(tx, orders, author)
        record_acts(tx, author.who, "person_erased", author.reason, [(f"erasure/{id_}", {"orders": len(orders)})])
    carry_out(db, id_, words)
    return show(db, id_)


def read_name(line: str) -> Named:
    """``platform/shop/platform-order-id``. Raises Refused ``name_malformed``."""
    platform, _, rest = line.partition("/")
    shop, _, platform_order_id = rest.rpartition("/")
    if not (platform and shop and platform_order_id) or not line.isprintable():
        raise Refused("name_malformed", "a line is PLATFORM/SHOP/ORDER-ID, as `orderlane erase export` prints it")
    return Named(platform, shop, platform_order_id)


def erase_again(db: Database, names: Sequence[Named], author: Author) -> tuple[Erasure | None, int]:
    """After a restored backup: erase what is here again, now or after its end, and let the others never come in.

    The record, if there was anything here, and how many orders were not.
    """
    with db.transaction() as tx:
        known = [Named(*row) for row in tx.execute(ERASURES["known_names"], by_column(names)).fetchall()]
        others = sorted({*names} - {*known}, key=str)
        tx.execute(ERASURES["bury_names"], by_column(others))
    record = erase(db, known, author, when_ended=True) if known else None
    return record, len(others)
