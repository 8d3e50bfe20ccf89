"""Erase one person, by order or by what they are called."""

from collections.abc import Sequence

from domain.errors import Refused
from infra.engine.author import Author
from infra.retention.erase import ask, carry_out, usable, words_of
from infra.tables.audit import Verb
from infra.tables.erasure import add_tombstones, known_names
from infra.tables.pool import Database
from infra.tables.retention import OrderName
from ops.verbs.change import change
from ops.views.erasures import Erasure, ErasurePlan, plan, show
from ops.views.looking import looking


def erase(
    db: Database, orders: Sequence[OrderName], author: Author, *, words: Sequence[str] = (), when_ended: bool = False
) -> Erasure:
    """Erase the person of these orders, and return the record.

    Raises Refused ``order_in_flight`` unless `when_ended`, and ``reason_personal`` for a reason that names the person,
    by one of the words or as an order does.
    """
    with looking(db) as tx:
        said = words_of(tx, orders)
    if any(word in author.reason for word in (*usable(words), *said)):
        raise Refused("reason_personal")
    found = plan(db, orders)
    if found.in_flight and not when_ended:
        raise _in_flight(found)
    with change(db, author) as made:
        id_ = ask(made.tx, orders, author)
        made.note(Verb.PERSON_ERASED, f"erasure/{id_}", None, {"orders": len(orders)})
    carry_out(db, id_, words)
    return show(db, id_)


def _in_flight(found: ErasurePlan) -> Refused:
    """The refusal, with what is in the way of the first order; `others` counts the rest."""
    first = found.in_flight[0]
    facts: dict[str, str | int] = {
        "order": first.order,
        "states": first.states,
        "holds": first.holds,
        "letters": first.letters,
    }
    return Refused("order_in_flight", facts={"fault": first.code, **facts, "others": len(found.in_flight) - 1})


def read_name(line: str) -> OrderName:
    """``platform/shop/platform-order-id``. Raises Refused ``name_malformed``."""
    platform, _, rest = line.partition("/")
    shop, _, platform_order_id = rest.rpartition("/")
    if not (platform and shop and platform_order_id) or not line.isprintable():
        raise Refused("name_malformed", facts={"what": "name", "fault": "no_order_name"})
    return OrderName(platform, shop, platform_order_id)


def erase_again(db: Database, names: Sequence[OrderName], author: Author) -> tuple[Erasure | None, int]:
    """After a restored backup: erase what is here again, now or after its end, and let the others never come in.

    Returns the record, if some orders were here, and the number of orders that were not.
    """
    with change(db, author) as made:
        tx = made.tx
        known = known_names(tx, names)
        others = sorted({*names} - {*known}, key=str)
        add_tombstones(tx, others)
        made.note(Verb.ORDER_BARRED, "orders", None, {"orders": len(others)})
    record = erase(db, known, author, when_ended=True) if known else None
    return record, len(others)
