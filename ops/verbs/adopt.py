"""Adopt orders that were kept out for another system: a person takes the responsibility that nobody else ships them."""

from collections.abc import Sequence

from actors.orders.take_over import Adopted, Adoption, adopt, foresee_adoption
from domain.errors import Conflict
from domain.states import Cause
from infra.engine.author import Author
from infra.tables.audit import Verb
from infra.tables.pool import Connection, Database
from ops.verbs.change import Change, change


def adopt_order(db: Database, order_id: int, author: Author) -> Adopted:
    """Begin a kept-out order as a new one, from reserve on.

    Raises Conflict with the code of an `Adoption` other than ``adopted``, also when it is asked a second time.
    """
    with change(db, author) as made:
        return adopt_in(made, order_id, author)


def adopt_in(made: Change, order_id: int, author: Author) -> Adopted:
    """The same in a transaction of the caller's."""
    [one] = adopt(made.tx, [order_id], Cause.PERSON, {"by": author.who, "reason": author.reason})
    if one.outcome is not Adoption.ADOPTED:
        raise _refusal(one)
    made.note(Verb.ORDER_ADOPTED, f"order/{order_id}", {"state": one.was}, {"state": one.state})
    return one


def _refusal(one: Adopted) -> Conflict:
    """Why an order is not begun, under the code of its `Adoption`."""
    match one.outcome:
        case Adoption.SHIPPED_ELSEWHERE:
            return Conflict("shipped_elsewhere", facts={"order": one.order_id})
        case Adoption.OVER:
            return Conflict("nothing_to_ship", facts={"order": one.order_id, "why": one.why or ""})
        case Adoption.FORGOTTEN:
            return Conflict("content_erased", facts={"order": one.order_id})
        case Adoption.WAITS:
            return Conflict("earlier_version_runs")
        case _:
            return Conflict("not_kept_out", facts={"order": one.order_id})


def foresee_adopt(tx: Connection, order_ids: Sequence[int]) -> dict[int, str]:
    """What an adoption would end with, by order: ``adopted``, or the code of the refusal."""
    return {order_id: str(outcome) for order_id, outcome in foresee_adoption(tx, order_ids).items()}
