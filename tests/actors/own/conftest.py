"""A merchant whose location in the east is its own: no system, people pick, pack and hand over."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from actors.documents.own import OwnDocuments
from adapters.warehouses.own import OwnWarehouse
from infra.engine.author import Author
from infra.monitoring.invariants import find_breaches
from ops.verbs.packing import PackageAct, PackingBench, ScanResult
from tests.actors.conftest import Merchant, settings
from workers.order_takers import note_order_takers_of

ME = Author("me", "")


@dataclass(frozen=True)
class Bench:
    """The packing bench of a merchant. Scans are numbered from 1 as lines of a file are."""

    merchant: Any

    def scan(self, act: str, *names: str) -> list[ScanResult]:
        packing = PackingBench(self.merchant.tools, self.merchant.event_loop, ME, PackageAct(act))
        return packing.scan(list(enumerate(names, 1)))

    def became(self, act: str, *names: str) -> list[tuple[str, str]]:
        """What became of each scan, and the code of why."""
        return [(str(one.became), one.why.code if one.why else "") for one in self.scan(act, *names)]

    def outdate(self) -> None:
        """Let 91 seconds pass since the platform last allowed to ship."""
        self.merchant.rows("UPDATE shipment SET checked_at = checked_at - interval '91 seconds'")
        self.merchant.rows("UPDATE placement SET checked_at = checked_at - interval '91 seconds'")

    def breaches(self) -> list[str]:
        with self.merchant.db.connection() as session:
            return [str(one) for one in find_breaches(session)]


@pytest.fixture
def make_own(database, event_loop) -> Callable[..., Merchant]:
    """A merchant whose east is its own; keywords as for `settings`."""

    def make(**how: Any) -> Merchant:
        plain = settings(**how)
        east = msgspec.structs.replace(plain.locations[0], kind="own", endpoint="")
        merchant = Merchant(
            database, event_loop, msgspec.structs.replace(plain, locations=(east, *plain.locations[1:]))
        )
        merchant.tools.warehouses["east"] = OwnWarehouse(OwnDocuments(database))
        note_order_takers_of(merchant.tools)
        return merchant

    return make


@pytest.fixture
def own(make_own) -> Merchant:
    return make_own()


@pytest.fixture
def placed(own, trade) -> Merchant:
    """One order of two pieces, labelled and placed at the location."""
    own.stock(**{"TEE-1": 10})
    own.deliver(trade(tid="1001", pieces=2))
    own.flow("label")
    own.run("dispatch")
    return own


@pytest.fixture
def bench_of() -> type[Bench]:
    return Bench


@pytest.fixture
def bench(placed) -> Bench:
    return Bench(placed)
