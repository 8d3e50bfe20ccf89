"""Takes in parcels that came back and were counted: once each, and stock grows by what can be sold.

Everything happens in the caller's transaction, which has locked the fulfillment orders.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actors.stops.asking import stop_work
from domain.cases import CaseKind, case_id_of
from domain.order import Lane
from domain.outcomes import Done
from domain.returns import BackLine, CountedLine, ReturnReason, Surplus, spread
from domain.states import FINAL_STATES, Cause, State
from domain.stops import StopStatus
from infra.engine.results import Finished, SubjectRef
from infra.engine.write_outcomes import Writes, event, gather, write
from infra.queue.keys import BellKey
from infra.tables.cases import NewCase, close_cases_of, open_cases
from infra.tables.holds import release_all_holds
from infra.tables.interceptions import note_received
from infra.tables.pool import Connection
from infra.tables.returns import KnownReturn, ReturnRow, all_back, known_returns, receive_return, sent_lines
from infra.tables.stock import consume_stock, give_back_stock
from infra.tables.stops import StopRow, prove_stops, stops_of_orders

# The timeline's word for a count.
RECEIVED = "package_received"
# States of goods that had left; from these a proven stop closes the order.
_MAY_CLOSE = frozenset({State.PACKED, State.IN_TRANSIT, State.DELIVERED, State.ON_HOLD, State.AFTER_SALE})
# Cases that a count ends.
_OVER = (CaseKind.RETURNED_TO_SENDER, CaseKind.RETURN_OVERDUE, CaseKind.NOT_MOVING, CaseKind.LOST)


@dataclass(frozen=True, slots=True)
class CountedParcel:
    """A locked package that was counted at a location. `by`: a person, or the account of a warehouse."""

    row: ReturnRow
    location: str
    by: str
    lines: tuple[CountedLine, ...]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a count. `is_new`: it was the first, and counts. `known`: the return, as it was before."""

    counted: CountedParcel
    is_new: bool
    lines: tuple[BackLine, ...]
    surplus: Surplus
    known: KnownReturn | None

    @property
    def facts(self) -> Mapping[str, Any]:
        """Codes and numbers for the timeline."""
        backs = [one.back for one in self.lines]
        sent = sum(one.sent for one in self.lines)
        facts: dict[str, Any] = {
            "location": self.counted.location,
            "sellable": sum(back.sellable for back in backs),
            "damaged": sum(back.damaged for back in backs),
            "missing": sent - sum(back.pieces for back in backs),
        }
        if self.surplus.pieces:
            facts["surplus"] = sum(self.surplus.pieces.values())
        return facts


def take_in(
    tx: Connection, step: str, cause: Cause, counted: Sequence[CountedParcel]
) -> tuple[list[Receipt], set[BellKey]]:
    """Take in counts; what became of each, and the bells to ring after the commit.

    A package is counted once: a further count changes nothing. The stop of an order is proven once all of its packages
    are counted, and the order is closed. An open stop of some lines looks at what is known now.
    """
    ids = [one.row.package_id for one in counted]
    known, sent = known_returns(tx, ids), sent_lines(tx, ids)
    stops = {one.fulfillment_order_id: one for one in stops_of_orders(tx, sorted({c.row.order_id for c in counted}))}
    asked = {id_ for id_, stop in stops.items() if stop.status != StopStatus.WITHDRAWN}
    receipts = []
    for one in counted:
        lines, surplus = spread(sent.get(one.row.package_id, ()), one.lines)
        why = ReturnReason.INTERCEPTED if one.row.fulfillment_order_id in asked else ReturnReason.UNEXPECTED
        is_new = receive_return(tx, one.row, lines, why=why, location=one.location, by=one.by)
        receipts.append(Receipt(one, is_new, lines, surplus, known.get(one.row.package_id)))
    new = [one for one in receipts if one.is_new]
    if not new:
        return receipts, set()
    note_received(tx, [one.counted.row.package_id for one in new])
    for by in sorted({one.counted.by for one in new}):
        mine = [one.counted.row.package_id for one in new if one.counted.by == by]
        close_cases_of(tx, mine, _OVER, by, "the parcel came back and was counted")
    unasked = [one for one in new if one.counted.row.fulfillment_order_id not in asked]
    unexpected = [one for one in unasked if one.known is None]
    open_cases(tx, [_unexpected(one) for one in unexpected])
    writes = Writes()
    back = _end_stops(tx, step, new, stops, writes)
    cared_for = {one.counted.row.fulfillment_order_id for one in unexpected}
    open_cases(tx, [_ship_anew(row) for row in back if row.fulfillment_order_id not in cared_for])
    for receipt in new:
        place = _place_of(receipt.counted.row)
        writes.events.append(event(step, place, RECEIVED, cause, facts=receipt.facts))
    writes.finished.clear()
    write(tx, step, writes)
    # Stock rows are locked last.
    _shelve(tx, new)
    return receipts, {BellKey(work.step, work.lane, work.account) for work in writes.added if work.after_s <= 0}


def _end_stops(
    tx: Connection, step: str, new: Sequence[Receipt], stops: Mapping[int, StopRow], writes: Writes
) -> list[ReturnRow]:
    """Stops of all lines are proven once every package is back; other open ones look at what is known.

    Returns what is back of orders that have not ended: of some of their lines, of a stop that was withdrawn, or of
    goods that were to go another way. Their buyers still wait.
    """
    rows = {one.counted.row.fulfillment_order_id: one.counted.row for one in new}
    back = all_back(tx, sorted(rows))
    proven = prove_stops(tx, sorted(back))
    release_all_holds(tx, sorted(proven), step)
    for id_ in sorted(proven):
        ref = _place_of(rows[id_])
        if ref.state in _MAY_CLOSE:
            via = () if ref.state is State.AFTER_SALE else (State.AFTER_SALE,)
            over = Done(State.CLOSED, {"proven": "goods_received"})
            gather(step, Finished(ref, over, Cause.SAGA, via=via, closed_reason=StopStatus.STOPPED), writes)
    waiting = {id_: row for id_, row in rows.items() if id_ not in proven}
    known = {id_: stops[id_] for id_ in sorted(waiting) if id_ in stops}
    for id_, stop in known.items():
        if stop.status == StopStatus.ASKED:
            row = waiting[id_]
            writes.added.append(stop_work(id_, Lane(row.lane), row.key.account))
    return [row for id_, row in sorted(waiting.items()) if id_ in back and State(row.state) not in FINAL_STATES]


def _shelve(tx: Connection, new: Sequence[Receipt]) -> None:
    """Pieces that can be sold are stock again. What came back had left, whether a scan told so or not.

    The pieces of a cancelled package became stock with its cancel, and what its order has now is another package's.
    """
    gone = [one for one in new if not one.counted.row.is_cancelled]
    consume_stock(tx, sorted({one.counted.row.fulfillment_order_id for one in gone}))
    for location in sorted({one.counted.location for one in gone}):
        give_back_stock(tx, location, _sellable(one for one in gone if one.counted.location == location))


def _sellable(receipts: Iterable[Receipt]) -> dict[str, int]:
    pieces: dict[str, int] = {}
    for receipt in receipts:
        for line in receipt.lines:
            if line.sku:
                pieces[line.sku] = pieces.get(line.sku, 0) + line.back.sellable
    return pieces


def _ship_anew(row: ReturnRow) -> NewCase:
    return NewCase(
        shop=row.key.account,
        case_id=case_id_of(CaseKind.SHIP_ANEW, row.reference),
        kind=CaseKind.SHIP_ANEW,
        order_id=row.order_id,
        package_id=row.package_id,
        facts={"courier": row.courier, "waybill": row.waybill},
    )


def _unexpected(one: Receipt) -> NewCase:
    row = one.counted.row
    return NewCase(
        shop=row.key.account,
        case_id=case_id_of(CaseKind.RETURN_UNEXPECTED, row.reference),
        kind=CaseKind.RETURN_UNEXPECTED,
        order_id=row.order_id,
        package_id=row.package_id,
        facts={"courier": row.courier, "waybill": row.waybill},
    )


def _place_of(row: ReturnRow) -> SubjectRef:
    return SubjectRef(
        row.package_id, Lane(row.lane), row.order_id, row.fulfillment_order_id, row.package_id, State(row.state)
    )
