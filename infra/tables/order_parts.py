"""Where the parts of orders are, for persons who change an order under way."""

from collections.abc import Sequence

from domain.holds import HoldCode
from domain.order_changes import OrderPart
from domain.states import State
from infra.tables.pool import Connection
from infra.tables.sql import load

ORDER_PARTS = load("order_parts")


def load_parts(tx: Connection, order_ids: Sequence[int]) -> dict[int, list[OrderPart]]:
    """The parts of each order, by their number. An order without any is left out."""
    found: dict[int, list[OrderPart]] = {}
    for row in tx.execute(ORDER_PARTS["parts"], {"order_ids": list(order_ids)}):
        id_, order_id, number, state, at, is_consumed, location, *outside, asker, is_told, goal, rung, lines = row
        waybills, refused, is_called, is_placed = outside
        part = OrderPart(
            id=id_,
            order_id=order_id,
            number=number,
            state=State(state),
            at=State(at),
            is_consumed=is_consumed,
            location=location,
            waybills=tuple(waybills),
            refused=tuple(refused),
            is_called=is_called,
            is_placed=is_placed,
            stop_asker=asker,
            is_told_stopped=is_told,
            stop_goal=goal,
            stop_rung=rung,
            lines=lines,
        )
        found.setdefault(order_id, []).append(part)
    return found


def changed_by_buyer(tx: Connection, order_ids: Sequence[int]) -> dict[int, frozenset[str]]:
    """What the buyer has changed of orders with an open hold about that, in words of `domain.changes`."""
    found: dict[int, frozenset[str]] = {}
    for order_id, changed in tx.execute(ORDER_PARTS["changed_by_buyer"], {"order_ids": list(order_ids)}):
        found[order_id] = found.get(order_id, frozenset()) | set(filter(None, (changed or "").split(",")))
    return found


def held_parts(tx: Connection, order_ids: Sequence[int], code: HoldCode) -> set[int]:
    """Ids of parts with an open hold of that code."""
    return {row[0] for row in tx.execute(ORDER_PARTS["held"], {"order_ids": list(order_ids), "code": code})}
