"""A merchant whose warehouses take orders, and what the tests of documents ask of it."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.documents import Capabilities
from adapters.ports import WarehouseEvent
from infra.monitoring.invariants import find_breaches
from workers.order_takers import note_order_takers_of

AT = datetime(2026, 11, 22, 10, tzinfo=UTC)


class Killed(BaseException):
    """Stands for kill -9: nothing of this process runs on."""


@dataclass(frozen=True)
class Documents:
    """Looks at the documents of a merchant, and lets time pass for them."""

    merchant: Any

    def placements(self) -> list[tuple[Any, ...]]:
        """Location, generation, status, code, and whether a call may have happened, of each placement."""
        return self.merchant.rows(
            "SELECT location, generation, status, code, call_deadline IS NOT NULL FROM placement ORDER BY id"
        )

    def statuses(self) -> list[str]:
        return [row[2] for row in self.placements()]

    def references(self) -> list[str]:
        return [row[0] for row in self.merchant.rows("SELECT reference FROM placement ORDER BY id")]

    def crash(self) -> None:
        """The process dies during its call, and the sweeper frees what it held."""
        with pytest.raises(Killed):
            self.merchant.run("dispatch")
        self.merchant.rows("DELETE FROM flight")
        self.merchant.rows("UPDATE work SET lease_token = NULL, lease_until = NULL")

    def fall_due(self) -> None:
        self.merchant.fall_due()
        self.merchant.rows(
            "UPDATE placement SET call_deadline = now() - interval '1 second' WHERE call_deadline IS NOT NULL"
        )

    def breaches(self) -> list[str]:
        with self.merchant.db.connection() as session:
            return [str(one) for one in find_breaches(session)]

    def here(self, location: str, sku: str = "TEE-1") -> tuple[int, int]:
        """on_hand and allocated at a location."""
        [row] = self.merchant.rows(
            "SELECT on_hand, allocated FROM stock_location WHERE location = %s AND sku = %s", location, sku
        )
        return row


@pytest.fixture
def take_orders(merchant) -> Callable[..., Any]:
    """Let the warehouses in the east and the west take orders, with these capabilities; the merchant."""

    def let(which=merchant, **capabilities: Any):
        for warehouse in which.tools.warehouses.values():
            warehouse.capabilities = Capabilities(**capabilities)
        note_order_takers_of(which.tools)
        return which

    return let


@pytest.fixture
def told(take_orders):
    """The merchant, whose warehouses take orders."""
    return take_orders()


@pytest.fixture
def labelled(told, trade):
    """One order of two pieces with a label, not handed over yet."""
    told.stock(**{"TEE-1": 10})
    told.deliver(trade(tid="1001", pieces=2))
    told.flow("label")
    return told


@pytest.fixture
def documents(merchant) -> Documents:
    return Documents(merchant)


@pytest.fixture
def tell(merchant):
    """Let the warehouse in the east tell events about its newest document; then its feed is read."""
    numbers = itertools.count(1)

    def told(*events):
        reference = merchant.rows("SELECT reference FROM placement WHERE location = 'east' ORDER BY id DESC LIMIT 1")
        for kind, more in events:
            number = next(numbers)
            about = {"reference": reference[0][0] if reference else "", "waybill": "", **more}
            event = WarehouseEvent(f"d{number}", kind=kind, at=AT + timedelta(minutes=number), **about)
            merchant.warehouse.scans.append(event)
        merchant.rows("UPDATE work SET due_at = now() - interval '1 second' WHERE step = 'warehouse'")
        merchant.run("warehouse")

    return told


@pytest.fixture
def booking(take_orders, trade):
    """One order of two lines, of two pieces and of one, whose document is at a warehouse that books and splits."""
    merchant = take_orders(books_waybill=True, splits=True)
    merchant.stock(**{"TEE-1": 10, "CAP-1": 10})
    one, other = trade(tid="1001", pieces=2), trade(tid="1002", sku="CAP-1")
    lines = [*one["orders"]["order"], *other["orders"]["order"]]
    sums = {"payment": "30.00", "total_fee": "30.00"}
    merchant.deliver({**one, **sums, "orders": {"order": lines}})
    merchant.flow("label")
    merchant.run("dispatch")
    return merchant
