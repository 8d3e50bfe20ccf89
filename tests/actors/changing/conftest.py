"""What the tests of changes by a person share: an order anywhere on its way, and the steps of its stop."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from infra.engine.author import Author
from infra.monitoring.invariants import find_breaches

LI = Author("li", "the buyer has called")
_STEPS = ("stop", "recall", "label", "void", "stop")


@dataclass(frozen=True)
class House:
    """One merchant with orders, and the steps that stop them."""

    merchant: Any

    @property
    def db(self) -> Any:
        return self.merchant.db

    @property
    def order(self) -> int:
        return self.merchant.one("SELECT min(id) FROM orders")

    def stop_runs(self) -> None:
        """Run what stops orders, until it waits for somebody."""
        for _ in range(3):
            for step in _STEPS:
                self.merchant.run(step)

    def parts(self) -> list[tuple[Any, ...]]:
        """State and location of each part."""
        return self.merchant.rows("SELECT state, location FROM fulfillment_order ORDER BY id")

    def waybills(self) -> list[str]:
        """Statuses of all shipments."""
        return [row[0] for row in self.merchant.rows("SELECT status FROM shipment ORDER BY id")]

    def documents(self) -> list[str]:
        """Statuses of all documents that a warehouse was told."""
        return [row[0] for row in self.merchant.rows("SELECT status FROM placement WHERE reference <> '' ORDER BY id")]

    def stops(self) -> list[tuple[Any, ...]]:
        """Code, goal and status of each stop."""
        return self.merchant.rows("SELECT code, goal, status FROM stop ORDER BY id")

    def audited(self) -> list[tuple[Any, ...]]:
        """What persons did: who, what, to which object, and why."""
        return self.merchant.rows("SELECT who, verb, object, reason FROM audit ORDER BY id")

    def breaches(self) -> list[str]:
        with self.db.connection() as session:
            return [str(one) for one in find_breaches(session)]


@pytest.fixture
def at_step(merchant, trade) -> Callable[..., House]:
    """One order of one or two lines, with the chain run up to and including a step."""

    def at(step: str | None, *, lines: int = 1, **changes: Any) -> House:
        merchant.stock(**{"TEE-1": 10, "MUG-1": 10})
        made = trade(**changes)
        if lines > 1:
            [first] = made["orders"]["order"]
            made["orders"]["order"].append({**first, "oid": int(first["oid"]) + 1, "outer_iid": "MUG-1"})
            made |= {"payment": "20.00", "total_fee": "20.00"}
        merchant.deliver(made)
        merchant.flow(step)
        return House(merchant)

    return at
