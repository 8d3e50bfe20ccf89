"""A merchant whose warehouses take orders, stopped orders of his, and what the tests of stops ask of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from actors.stops.asking import StopRequest, ask, withdraw
from adapters.documents import Capabilities
from domain.states import Cause
from domain.stops import StopAsker, StopCode, StopGoal
from infra.monitoring.invariants import find_breaches
from infra.tables.orders import lock_fulfillment
from workers.order_takers import note_order_takers_of

SHOP = "taobao/s1"
# What a stop makes due, in turn until nothing of it is left.
LADDER = ("stop", "recall", "void", "label", "dispatch")


@dataclass(frozen=True)
class Stops:
    """Asks for stops, runs them, and looks at what became of them."""

    merchant: Any

    def ask(self, *, code=StopCode.PERSON, goal=StopGoal.CLOSE, lines=(), part=None) -> None:
        """A person asks for a stop of every fulfillment order, or of one."""
        with self.merchant.db.transaction() as tx:
            locked = lock_fulfillment(tx, [part] if part else self.parts())
            wanted = [
                StopRequest(
                    locked=one,
                    shop=SHOP,
                    asked_by=StopAsker.PERSON,
                    author="li",
                    code=code,
                    goal=goal,
                    lines=tuple(lines),
                )
                for one in locked
            ]
            ask(tx, wanted)

    def withdraw(self) -> None:
        with self.merchant.db.transaction() as tx:
            withdraw(tx, lock_fulfillment(tx, self.parts()), SHOP, Cause.PERSON)

    def parts(self) -> list[int]:
        return [row[0] for row in self.merchant.rows("SELECT id FROM fulfillment_order ORDER BY id")]

    def climb(self) -> None:
        """Run all that the stops wait for, until nothing of it is due."""
        for _ in range(20):
            if not sum(self.merchant.run(step) for step in LADDER):
                return
        raise AssertionError("the stop never rests")

    def fall_due(self) -> None:
        """Let the time pass that calls and answers wait for."""
        self.merchant.fall_due()
        past = "now() - interval '1 s'"
        for statement in (
            "UPDATE placement SET call_deadline = {} WHERE call_deadline IS NOT NULL",
            "UPDATE placement SET stop_deadline = {} WHERE stop_deadline IS NOT NULL",
            "UPDATE shipment SET void_deadline = {} WHERE void_deadline IS NOT NULL",
        ):
            self.merchant.rows(statement.format(past))

    def crash(self, killed: type[BaseException], step: str) -> None:
        """The process dies in a step, and the sweeper frees what it held."""
        with pytest.raises(killed):
            self.merchant.run(step)
        self.merchant.rows("UPDATE work SET lease_token = NULL, lease_until = NULL")
        self.merchant.rows("DELETE FROM flight")

    def status(self) -> list[tuple[str, str, str]]:
        """(goal, status, rung) of each stop."""
        return self.merchant.rows("SELECT goal, status, rung FROM stop ORDER BY id")

    def ends(self) -> list[str]:
        return [status for _, status, _ in self.status()]

    def shipments(self) -> list[tuple[Any, ...]]:
        return self.merchant.rows("SELECT generation, status, waybill FROM shipment ORDER BY id")

    def documents(self) -> list[tuple[int, str]]:
        return self.merchant.rows("SELECT generation, status FROM placement ORDER BY id")

    def living(self) -> list[str]:
        """Waybills that live at the courier."""
        return [one.number for one in self.merchant.courier.waybills if one.alive]

    def cases(self) -> list[str]:
        return [row[0] for row in self.merchant.rows("SELECT kind FROM order_case WHERE closed_at IS NULL ORDER BY id")]

    def timeline(self, *steps: str) -> list[str]:
        """Kinds of the events of some steps."""
        return [
            row[0] for row in self.merchant.rows("SELECT kind FROM event WHERE step = ANY(%s) ORDER BY id", list(steps))
        ]

    def breaches(self) -> list[str]:
        with self.merchant.db.connection() as session:
            return [str(one) for one in find_breaches(session)]


@pytest.fixture
def stops(merchant) -> Stops:
    return Stops(merchant)


@pytest.fixture
def take_orders(merchant) -> Callable[..., Any]:
    """Let the warehouses take orders, with these capabilities."""

    def let(**capabilities: Any):
        for warehouse in merchant.tools.warehouses.values():
            warehouse.capabilities = Capabilities(**capabilities)
        note_order_takers_of(merchant.tools)
        return merchant

    return let


@pytest.fixture
def first(trade):
    return trade(tid="1001", pieces=2)


@pytest.fixture
def labelled(merchant, first):
    """One order of two pieces with a waybill, at a warehouse that is told nothing."""
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(first)
    merchant.flow("label")
    return merchant


@pytest.fixture
def placed(merchant, take_orders, first):
    """One order of two pieces with a waybill, whose warehouse has its document."""
    take_orders()
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(first)
    merchant.flow("label")
    merchant.run("dispatch")
    return merchant
