"""Parcels whose clock has run out become cases.

Not collected in time, not moving for long, not delivered for days, not back in time.
"""

from domain.cases import CaseKind, case_id_of
from domain.clocks import MOVES_ON, TO_BE_SIGNED
from domain.tracking import ParcelStage, fold
from infra.tables.cases import NewCase, OverdueParcel, close_settled, open_cases, overdue_parcels
from infra.tables.pool import Connection, Database
from infra.tables.returns import OverdueReturn, overdue_returns
from infra.tables.tracking import events_of
from infra.telemetry.log import get_logger

# Parcels of one transaction: what is looked at grows with the parcels under way, one statement does not.
STRETCH = 2_000

log = get_logger(__name__)


def open_parcel_cases(db: Database, stretch: int = STRETCH) -> int:
    """Open a case for each parcel whose clock has run out, and close those that are over; how many were opened.

    Safe to run twice and side by side: a case of a parcel is one row. A courier that does not answer opens none: what
    nobody was told of is unknown.
    """
    after, opened = 0, 0
    while True:
        with db.transaction() as tx:
            upto, overdue = overdue_parcels(tx, after=after, limit=stretch)
            opened += len(open_cases(tx, [_case(one) for one in _unsettled(tx, overdue)]))
        if upto is None:
            break
        after = upto
    opened += _open_overdue(db, stretch)
    with db.transaction() as tx:
        closed = close_settled(tx)
    if opened or closed:
        log.info("parcel_cases", opened=opened, closed=closed)
    return opened


def _open_overdue(db: Database, stretch: int) -> int:
    """Cases of parcels that were to come back and that nobody has counted in time."""
    opened = 0
    while True:
        with db.transaction() as tx:
            overdue = overdue_returns(tx, stretch)
            new = len(open_cases(tx, [_overdue_return(one) for one in overdue]))
        opened += new
        if len(overdue) < stretch or not new:
            return opened


def _overdue_return(one: OverdueReturn) -> NewCase:
    kind = CaseKind.RETURN_OVERDUE
    return NewCase(
        shop=one.shop,
        case_id=case_id_of(kind, one.reference),
        kind=kind,
        order_id=one.order_id,
        package_id=one.package_id,
        facts={"courier": one.courier, "waybill": one.waybill, "since": one.since.isoformat()},
    )


# Stages in which the end of a clock is trouble; of a parcel that nobody has collected, any stage.
_TROUBLE_IN: dict[CaseKind, frozenset[ParcelStage]] = {
    CaseKind.NOT_COLLECTED: frozenset(ParcelStage),
    CaseKind.NOT_MOVING: MOVES_ON,
    CaseKind.NOT_DELIVERED: TO_BE_SIGNED,
}


def _unsettled(tx: Connection, overdue: list[OverdueParcel]) -> list[OverdueParcel]:
    """Without parcels that may be as they are: they rest in a locker, go back, or are lost, which is a case already."""
    ways = events_of(tx, [one.package_id for one in overdue]) if overdue else {}
    return [one for one in overdue if fold(ways[one.package_id]).stage in _TROUBLE_IN[one.kind]]


def _case(one: OverdueParcel) -> NewCase:
    return NewCase(
        shop=one.shop,
        case_id=case_id_of(one.kind, one.reference),
        kind=one.kind,
        order_id=one.order_id,
        package_id=one.package_id,
        facts={"courier": one.courier, "waybill": one.waybill, "since": one.since.isoformat()},
    )
