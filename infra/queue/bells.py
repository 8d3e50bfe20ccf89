"""Bells: messages that say that something is due for a step, in a lane, for an account. Nothing more.

The worker that hears a bell claims due rows itself, so a lost bell loses nothing and a second one
does no harm. A marker in Redis keeps one bell of a key from being rung twice while it still waits.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from dramatiq import Broker, Message
from dramatiq.errors import BrokerConnectionError
from redis import Redis
from redis.exceptions import RedisError

MARKER = "orderlane:bell:"

log = logging.getLogger(__name__)


class BellKey(NamedTuple):
    """What is due. `alone`: for members of a crashed batch, which are claimed one at a time."""

    step: str
    lane: str
    account: str
    alone: bool = False


class Bells(Protocol):
    """Rings for due work and forgets that it has rung."""

    def ring(self, keys: Iterable[BellKey]) -> None: ...

    def hush(self, key: BellKey) -> None: ...


@dataclass(frozen=True, slots=True)
class RedisBells:
    """Bells over a Dramatiq broker: the queue is the lane, the actor is the step.

    `ttl_s` bounds how long a bell that was lost together with its worker keeps others from being rung.
    """

    broker: Broker
    redis: Redis
    ttl_s: float

    def ring(self, keys: Iterable[BellKey]) -> None:
        """Enqueue one message for each key that has none waiting. With Redis away the bells are lost, and logged."""
        wanted = sorted(set(keys))
        try:
            if wanted:
                self._ring(wanted)
        except (RedisError, BrokerConnectionError) as error:
            log.warning("%s bells lost: %s", len(wanted), type(error).__name__)

    def _ring(self, wanted: list[BellKey]) -> None:
        with self.redis.pipeline(transaction=False) as pipe:
            for key in wanted:
                pipe.set(_marker(key), b"1", nx=True, px=int(self.ttl_s * 1000))
            unrung = [key for key, is_new in zip(wanted, pipe.execute(), strict=True) if is_new]
        for key in unrung:
            self.broker.enqueue(
                Message(
                    queue_name=key.lane,
                    actor_name=key.step,
                    args=(key.lane, key.account, key.alone),
                    kwargs={},
                    options={},
                )
            )

    def hush(self, key: BellKey) -> None:
        """Called before claiming: work that commits from here on rings again."""
        try:
            self.redis.delete(_marker(key))
        except RedisError as error:
            log.warning("a bell could not be hushed: %s", type(error).__name__)


def _marker(key: BellKey) -> str:
    return f"{MARKER}{key.step}:{key.lane}:{key.account}:{int(key.alone)}"
