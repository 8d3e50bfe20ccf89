"""Orders that have left and should come back: a stop is open, and the courier is to intercept the parcel."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from actors.stops.asking import StopRequest, ask
from actors.stops.intercepting import ParcelToStop, want
from adapters.ports import TrackEvent
from domain.order import Lane
from domain.stops import StopAsker, StopCode, StopGoal
from domain.tracking import ParcelKind
from infra.engine.write_outcomes import add_work
from infra.queue.keys import BellKey
from infra.tables.orders import lock_fulfillment
from tests.actors.conftest import COURIER, SHOP

LEFT = datetime(2026, 11, 22, 10, tzinfo=UTC)
TRACKING = "sf/main/tracking"


def told(kind: ParcelKind, hours: float, code: str = "") -> TrackEvent:
    """An event so many hours after the hand-over."""
    return TrackEvent(code or f"{kind}", kind, LEFT + timedelta(hours=hours))


COLLECTED = told(ParcelKind.COLLECTED, 1)
OUT = told(ParcelKind.OUT_FOR_DELIVERY, 20)
TURNED = told(ParcelKind.RETURNING, 21)
SIGNED = told(ParcelKind.DELIVERED, 22)


class Returning:
    """A merchant with one parcel that has left under waybill SF0001, and whose order somebody wants to stop."""

    def __init__(self, merchant: Any) -> None:
        self.merchant = merchant

    def __getattr__(self, name: str) -> Any:
        return getattr(self.merchant, name)

    def ask(self, goal: StopGoal = StopGoal.CLOSE) -> None:
        with self.db.transaction() as tx:
            ids = [row[0] for row in tx.execute("SELECT id FROM fulfillment_order ORDER BY id").fetchall()]
            requests = [
                StopRequest(
                    locked=one,
                    shop=SHOP,
                    asked_by=StopAsker.PERSON,
                    author="li",
                    code=StopCode.PERSON,
                    goal=goal,
                )
                for one in lock_fulfillment(tx, ids)
            ]
            ask(tx, requests)
            packages = [row[0] for row in tx.execute("SELECT id FROM package ORDER BY id").fetchall()]
            add_work(tx, want(tx, [ParcelToStop(id_, Lane.P1, COURIER, SHOP) for id_ in packages]))
            # What the stop does next is not looked at here.
            tx.execute("DELETE FROM work WHERE step = 'stop'")

    def track(self, *events: TrackEvent, waybill: str = "SF0001") -> None:
        """The courier shows these events, and is asked now."""
        self.courier.ways[waybill] = events
        self.rows("UPDATE work SET due_at = now() - interval '1 second' WHERE step = 'track'")
        self.runners["track"].run(BellKey("track", Lane.BULK, TRACKING))

    def intercept(self) -> None:
        """The next look at the interception, once whatever it waits for is over."""
        self.fall_due()
        self.rows("UPDATE shipment SET intercept_asked_at = intercept_asked_at - interval '2 hours'")
        self.runners["intercept"].run(BellKey("intercept", Lane.P1, COURIER))

    def free(self) -> None:
        """The sweeper frees what a dead worker had in hand."""
        self.rows("UPDATE work SET lease_token = NULL, lease_until = NULL WHERE lease_token IS NOT NULL")
        self.rows("DELETE FROM flight")

    @property
    def status(self) -> str:
        return self.one("SELECT intercept_status FROM shipment WHERE status = 'booked' ORDER BY id LIMIT 1")

    @property
    def code(self) -> str:
        return self.one("SELECT intercept_code FROM shipment WHERE status = 'booked' ORDER BY id LIMIT 1")

    @property
    def expected(self) -> list[Any]:
        return self.rows("SELECT why, received_at IS NOT NULL FROM parcel_return ORDER BY package_id")


@pytest.fixture
def left(make_merchant, trade) -> Callable[..., Returning]:
    """An order of three pieces that was handed over. `is_tracked`: its courier tells of parcels."""

    def build(*, is_tracked: bool = True, pieces: int = 3) -> Returning:
        merchant = make_merchant()
        merchant.courier.can_track = is_tracked
        merchant.stock(**{"TEE-1": 100})
        merchant.deliver(trade(tid="1001", pieces=pieces))
        merchant.flow("label")
        merchant.scan("handed_over")
        return Returning(merchant)

    return build


@pytest.fixture
def wanted(left) -> Returning:
    """The interception of its parcel is wanted."""
    returning = left()
    returning.ask()
    return returning
