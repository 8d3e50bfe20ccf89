"""The gates that all processes share, in Redis. The head of each script says what the script does."""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from domain.errors import Transient
from infra.accounts.rules import GateRules
from infra.queue.priority.refusals import drop_connections

PREFIX = "orderlane:gate:"
# The guard must not take longer than the call: if Redis is slow, the process decides alone.
_TIMEOUT_S = 0.25
# Longer than two rounds of the sweeper's bells: an account at its rate limit refuses a caller in each round.
AT_RATE_S = 10


class CallResults(NamedTuple):
    """The results of granted calls. `quiet_ms`: how long the account asked not to be called."""

    epoch: int = 0
    passed: int = 0
    failed: int = 0
    unused: int = 0
    quiet_ms: int = 0


class CallGrant(NamedTuple):
    """Calls that may begin; `why` is what limits them, empty for a free gate; ask again after `wait_ms`."""

    calls: int
    epoch: int
    why: str
    wait_ms: int
    now_ms: int


class GateLook(NamedTuple):
    """The state of a gate: shut if `why` is not empty; `room` is how much work may come back, -1 for all."""

    why: str
    wait_ms: int
    room: int


class SharedGates:
    """Raises Transient ``redis_unavailable`` when Redis is unreachable or slow: the caller then decides alone."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._ask = client.register_script(_source("ask"))
        self._look = client.register_script(_source("look"))

    def ask(self, account: str, want: int, heard: CallResults, rules: GateRules) -> CallGrant:
        """Report, and be granted up to `want` calls, in one round trip."""
        try:
            answer = self._ask(keys=[PREFIX + account], args=[want, *heard, *rules.encode()])
        except RedisError as error:
            drop_connections(self._client, error)
            raise Transient("redis_unavailable", type(error).__name__) from error
        return CallGrant(int(answer[0]), int(answer[1]), str(answer[2], "utf-8"), int(answer[3]), int(answer[4]))

    def look(self, accounts: Sequence[str], rules: GateRules) -> dict[str, GateLook]:
        """The states of some gates, in one round trip."""
        if not accounts:
            return {}
        try:
            rows = self._look(keys=[PREFIX + name for name in accounts], args=[rules.ramp_ms, rules.ramp_calls])
        except RedisError as error:
            drop_connections(self._client, error)
            raise Transient("redis_unavailable", type(error).__name__) from error
        seen = (GateLook(str(why, "utf-8"), int(wait_ms), int(room)) for why, wait_ms, room in rows)
        return dict(zip(accounts, seen, strict=True))

    def at_their_rate(self, accounts: Sequence[str]) -> set[str]:
        """Accounts whose bucket somebody has found empty in the last `AT_RATE_S`, in one round trip."""
        try:
            with self._client.pipeline(transaction=False) as pipeline:
                pipeline.time()
                for name in accounts:
                    pipeline.hget(PREFIX + name, "refused_at")
                (now_s, _), *refused_at = pipeline.execute()
        except RedisError as error:
            drop_connections(self._client, error)
            raise Transient("redis_unavailable", type(error).__name__) from error
        since_ms = (now_s - AT_RATE_S) * 1000
        return {name for name, at in zip(accounts, refused_at, strict=True) if at is not None and int(at) >= since_ms}

    def forget(self, account: str) -> None:
        """Close a breaker, and forget that the account asked not to be called."""
        try:
            self._client.delete(PREFIX + account)
        except RedisError as error:
            drop_connections(self._client, error)
            raise Transient("redis_unavailable", type(error).__name__) from error


class NoSharedGates(SharedGates):
    """The gates of a process that has no address of Redis."""

    def __init__(self) -> None:
        """Nothing is connected."""

    def ask(self, account: str, want: int, heard: CallResults, rules: GateRules) -> CallGrant:  # noqa: ARG002 - nobody is asked
        raise Transient("redis_unavailable", "no address of Redis is configured")


def connect_gates(url: str) -> Redis:
    """A client that gives up at once."""
    return Redis.from_url(
        url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S, retry=Retry(NoBackoff(), retries=0)
    )


@cache
def _source(name: str) -> str:
    return (files("infra.accounts") / "lua" / f"{name}.lua").read_text()
