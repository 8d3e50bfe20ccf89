"""Waybills that came to be known when nobody wants them any more: they are voided, or their order is stopped."""

from collections.abc import Mapping, Sequence

from domain.holds import HoldCode
from domain.outcomes import Hold
from domain.stops import StopAsker, StopCode, StopGoal
from infra.engine.results import NewWork, SubjectRef
from infra.tables.packages import Unwantedness
from infra.tables.pool import Connection
from infra.tables.shipments import want_voids
from infra.tables.stops import NewStop, ask_stops

LateWaybill = tuple[SubjectRef, str, str]
"""A package, the account of its courier, and the account of its order's shop."""


def want_ends(tx: Connection, booked: Sequence[LateWaybill], unwanted: Mapping[int, Unwantedness]) -> None:
    """Want the voids of what has ended here, and stops of what its platform has closed. No statement for none."""
    want_voids(tx, [id_ for id_, why in unwanted.items() if why is Unwantedness.ENDED])
    ask_stops(
        tx,
        [
            NewStop(
                fulfillment_order_id=ref.fulfillment_order_id or 0,
                order_id=ref.order_id or 0,
                asked_by=StopAsker.PLATFORM,
                author=shop,
                code=StopCode.CLOSED_BY_PLATFORM,
                goal=StopGoal.CLOSE,
            )
            for ref, _, shop in booked
            if unwanted.get(ref.subject_id) is Unwantedness.CLOSED_BY_PLATFORM
        ],
    )


def next_of(late: LateWaybill, why: Unwantedness) -> tuple[tuple[NewWork, ...], tuple[Hold, ...]]:
    """The work and holds that follow; the work of an open stop follows by itself."""
    ref, account, shop = late
    if why is Unwantedness.ENDED:
        return (NewWork("void", ref.subject_id, ref.lane, account, shop),), ()
    if why is Unwantedness.CLOSED_BY_PLATFORM:
        return (), (Hold(HoldCode.STOPPING, {"why": StopCode.CLOSED_BY_PLATFORM, "goal": StopGoal.CLOSE}),)
    return (), ()
