"""A merchant whose courier is asked about parcels, and what the tests of that ask of it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from adapters.ports import TrackEvent
from domain.order import Lane
from domain.tracking import ParcelKind
from infra.config.directory import directory_of
from infra.monitoring.invariants import find_breaches
from infra.queue.keys import BellKey
from infra.tables.order_list import OrderFilter
from ops.views.order_list import list_orders

K = ParcelKind
# When the first scan of a test is.
LEFT = datetime(2026, 11, 22, 10, tzinfo=UTC)
SIGNED = LEFT + timedelta(hours=30)
DAY = timedelta(hours=24)
TRACKING = "sf/main/tracking"


@dataclass
class HandClock:
    now: datetime = LEFT

    def utcnow(self):
        return self.now

    def monotonic(self):
        return 0.0


def event(kind, hours, code=""):
    return TrackEvent(code or f"{kind}", kind, LEFT + timedelta(hours=hours))


COLLECTED, MOVING, OUT = event(K.COLLECTED, 2), event(K.DEPARTED, 9), event(K.OUT_FOR_DELIVERY, 28)
DELIVERED = event(K.DELIVERED, 30)


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def left(make_merchant, trade, clock):
    """A merchant whose courier is asked about parcels, with orders that were handed over at `LEFT`."""

    def build(orders=1, ship_on="handover", events=("shipped",), **more):
        merchant = make_merchant(ship_on=ship_on)
        merchant.courier.can_track = True
        object.__setattr__(merchant.tools, "clock", clock)
        channels = tuple(replace(one, events=events) for one in merchant.settings.channels)
        object.__setattr__(merchant.tools, "directory", directory_of(replace(merchant.settings, channels=channels)))
        merchant.stock(**{"TEE-1": 100})
        merchant.deliver(*(trade(tid=f"{1001 + number}", pieces=1, **more) for number in range(orders)))
        merchant.flow("label")
        merchant.scan("handed_over")
        return merchant

    return build


def look(merchant, *events, waybill="SF0001"):
    """The courier shows these events, and is asked now."""
    if events:
        merchant.courier.ways[waybill] = tuple(events)
    merchant.rows("UPDATE work SET due_at = now() - interval '1 second' WHERE step = 'track'")
    return merchant.runners["track"].run(BellKey("track", Lane.BULK, TRACKING))


def due_s(merchant):
    return merchant.one("SELECT extract(epoch FROM due_at - now())::int FROM work WHERE step = 'track'")


def waits(merchant):
    """What the list says that the only order waits for."""
    [listed] = list_orders(merchant.db, OrderFilter(), limit=5).orders
    return listed.waits


def breaches(merchant):
    with merchant.db.connection() as session:
        return [str(one) for one in find_breaches(session)]
