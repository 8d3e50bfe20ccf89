"""Gates over a real Redis, with clocks that move by hand where a test needs them to."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from redis import Redis

from infra.accounts.account import AccountGate
from infra.accounts.gates import Gates
from infra.accounts.pauses import Pauses
from infra.accounts.rules import GateRules
from infra.accounts.shared_breaker import PREFIX, SharedGates, connect_gates
from infra.config.secret import Secret
from infra.process.clock import SystemClock
from infra.queue.bells import BellKey
from infra.tables.pool import Database

TIMES = ("open_until", "ramp_from", "quiet_until", "filled")


class SteppedClock:
    """A clock whose monotonic time moves only by hand."""

    def __init__(self) -> None:
        self.at = 100.0

    def monotonic(self) -> float:
        return self.at

    def utcnow(self):
        return SystemClock().utcnow()


class Rung:
    """Bells that are only written down."""

    def __init__(self) -> None:
        self.keys: list[BellKey] = []

    def ring(self, keys) -> None:
        self.keys.extend(sorted(keys))


class Counted:
    """Shared gates that count the round trips of their users."""

    def __init__(self, shared: SharedGates) -> None:
        self._shared = shared
        self.asked = 0

    def ask(self, *given):
        self.asked += 1
        return self._shared.ask(*given)


@dataclass
class World:
    """Gates of one or more processes over one Redis and one database."""

    redis: Redis
    shared: SharedGates
    db: Database | None
    clock: Any = field(default_factory=SystemClock)
    bells: Rung = field(default_factory=Rung)

    def pass_ms(self, account: str, ms: int) -> None:
        """Let time pass for a shared gate: everything in it happened that much earlier."""
        for name, value in self.redis.hgetall(PREFIX + account).items():
            if name.decode() in TIMES and int(value) > 0:
                self.redis.hset(PREFIX + account, name, int(value) - ms)

    def account(self, account: str = "sf/main", **rules: Any) -> AccountGate:
        return AccountGate(account, GateRules(**rules), self.shared, self.clock, share=1.0)

    def pauses(self) -> Pauses:
        assert self.db is not None
        return Pauses(self.db, self.clock, probe_s=60.0)

    def gates(self, *accounts: str, batches_max: int = 3, **rules: Any) -> Gates:
        """What one process has."""
        each = {account: GateRules(**rules) for account in accounts or ("sf/main",)}
        return Gates(each, self.shared, self.pauses(), self.bells, self.clock, batches_max=batches_max, share=1.0)


@pytest.fixture
def shared(redis_url: Secret, redis: Redis) -> Iterator[SharedGates]:
    client = connect_gates(redis_url.reveal())
    yield SharedGates(client)
    client.close()


@pytest.fixture
def counted(shared: SharedGates) -> Counted:
    return Counted(shared)


@pytest.fixture
def lost_redis() -> Iterator[SharedGates]:
    """Gates whose Redis is away."""
    client = connect_gates("unix:///nowhere/redis.sock")
    yield SharedGates(client)
    client.close()


@pytest.fixture
def make_world(redis: Redis, shared: SharedGates) -> Callable[..., World]:
    return lambda **given: World(redis, given.pop("shared", shared), given.pop("db", None), **given)


@pytest.fixture
def world(make_world: Callable[..., World], database: Database) -> World:
    return make_world(db=database)


@pytest.fixture
def stepped_clock() -> SteppedClock:
    return SteppedClock()
