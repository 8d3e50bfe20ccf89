"""Bells: messages that say only that work is due for a step, in a lane, for an account.

The worker that gets a bell claims due rows itself, so a lost bell loses nothing and a second one does no harm.
A bell's message is named after its key. While a bell waits, the broker accepts no second bell of its key. A bell that a
worker is answering is replaced by a new waiting bell, so that work which commits after the claim gets a bell too.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dramatiq import Message
from dramatiq.errors import BrokerConnectionError
from redis.exceptions import RedisError

from infra.queue.keys import QUEUE, BellKey, Bells
from infra.queue.priority import MessageTooLarge, PriorityBroker

__all__ = ["QUEUE", "BellKey", "Bells", "BrokerBells", "bell"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BrokerBells:
    """Bells over the priority broker. A bell is a message whose actor has the step's name.

    Within a lane, accounts take turns. Steps without an account take turns by step.

    `queues`: those of steps that have one of their own.
    """

    broker: PriorityBroker
    queues: Mapping[str, str] = field(default_factory=dict)

    def ring(self, keys: Iterable[BellKey]) -> None:
        """Ring for keys that have no bell waiting, in one round trip. Lost bells, as with Redis away, are logged."""
        bells = [bell(key, self.queues.get(key.step, QUEUE)) for key in sorted(set(keys))]
        if not bells:
            return
        try:
            self.broker.enqueue_many(bells)
        except (RedisError, BrokerConnectionError) as error:
            log.warning("%s bells lost: %s", len(bells), type(error).__name__)
        except MessageTooLarge as error:
            # The other bells were sent. A bell that was too large is a rejected message, which becomes a dead letter.
            log.error("%s bells are larger than %s bytes", len(error.sizes), error.max_bytes)  # noqa: TRY400 - no defect


def bell(key: BellKey, queue: str = QUEUE) -> Message[None]:
    """The message of a key's bell."""
    return Message(
        queue_name=queue,
        actor_name=key.step,
        args=(key.lane, key.account, key.alone),
        kwargs={},
        options={"lane": key.lane, "fair_key": key.account or key.step},
        message_id=f"{key.step}:{key.lane}:{key.account}:{int(key.alone)}",
    )
