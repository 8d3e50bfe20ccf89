"""A warehouse's events about packages that came back."""

from collections.abc import Sequence

from actors.parcels.coming_back import CountedParcel, take_in
from actors.tools import Tools
from adapters.ports import WarehouseEvent
from domain.order import Lane
from domain.returns import Back, CountedLine
from domain.states import Cause, State
from domain.warehouse import names_other_waybill
from infra.engine.results import SubjectRef
from infra.engine.write_outcomes import Writes, event, write
from infra.queue.keys import BellKey
from infra.tables.picking import PackageFound, find_packages
from infra.tables.pool import Connection
from infra.tables.returns import ReturnRow, lock_returns

# The timeline's words for a package that is at the door and not counted, and for one of which nobody knows which it is.
ARRIVED, UNMATCHED = "return_arrived", "return_unmatched"


def apply_returned(
    tx: Connection, tools: Tools, step: str, location: str, events: Sequence[WarehouseEvent]
) -> tuple[list[WarehouseEvent], set[BellKey]]:
    """Apply events of packages that came back to a location.

    Returns the events whose package nobody knows yet, and the bells to ring after the commit.
    """
    found = find_packages(tx, sorted({one.reference for one in events}), ())
    account = tools.directory.location(location).account
    meant = {one.event_id: _meant(one, found.get(one.reference, ())) for one in events}
    rows = {row.package_id: row for row in lock_returns(tx, sorted({id_ for id_ in meant.values() if id_}))}
    writes = Writes()
    counted: dict[int, CountedParcel] = {}
    waiting: list[WarehouseEvent] = []
    for one in events:
        row = rows.get(meant[one.event_id] or 0)
        if row is None and found.get(one.reference):
            unmatched = _of_order(found[one.reference][0])
            writes.events.append(event(step, unmatched, UNMATCHED, Cause.WAREHOUSE, facts={"location": location}))
        elif row is None:
            waiting.append(one)
        elif one.returned:
            counted.setdefault(row.package_id, CountedParcel(row, location, account, _lines(one)))
        else:
            writes.events.append(event(step, _place_of(row), ARRIVED, Cause.WAREHOUSE, facts={"location": location}))
    write(tx, step, writes)
    _, bells = take_in(tx, step, Cause.WAREHOUSE, list(counted.values()))
    return waiting, bells


def _meant(told: WarehouseEvent, packages: Sequence[PackageFound]) -> int | None:
    """The package that an event speaks of: the only one of its reference, or the one with the waybill that it names.

    A parcel often comes back under another number than the one it left with.
    """
    if len(packages) == 1:
        return packages[0].package_id
    named = [one for one in packages if told.waybill and not names_other_waybill(one.waybill, told.waybill)]
    return named[0].package_id if len(named) == 1 else None


def _lines(told: WarehouseEvent) -> tuple[CountedLine, ...]:
    return tuple(CountedLine(one.line, one.sku, Back(one.sellable, one.damaged)) for one in told.returned)


def _place_of(row: ReturnRow) -> SubjectRef:
    return SubjectRef(
        row.package_id, Lane(row.lane), row.order_id, row.fulfillment_order_id, row.package_id, State(row.state)
    )


def _of_order(one: PackageFound) -> SubjectRef:
    return SubjectRef(
        one.fulfillment_order_id, Lane(one.lane), one.order_id, one.fulfillment_order_id, None, State(one.state)
    )
