"""The engine's end of the priority broker: queues whose messages are bells."""

from collections.abc import Iterable, Sequence

import dramatiq
from dramatiq import Middleware
from dramatiq.broker import MessageProxy
from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from infra.queue.bells import QUEUE
from infra.queue.priority import PriorityBroker, QueueRules

NAMESPACE = "orderlane"
# A message leads to one batch, so the turn of an account is one message. A message for a step that only a newer version
# knows is offered for ten minutes, longer than a rolling deploy takes.
RULES = QueueRules(quantum=1, unknown_actor_grace_ms=600_000)


class RejectUnanswerable(Middleware):
    """Rejects a message whose arguments do not fit its actor. The engine handles every failure inside the actor."""

    def after_process_message(
        self,
        _broker: dramatiq.Broker,
        message: MessageProxy,
        *,
        result: object = None,  # noqa: ARG002 - Dramatiq passes it by this name
        exception: BaseException | None = None,
    ) -> None:
        if exception is not None:
            message.fail()


def connect_redis(url: str) -> Redis:
    """A client that survives a short absence of Redis. Bells may be rung twice, so repeating is safe."""
    return Redis.from_url(
        url,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.02), retries=4),
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
        socket_timeout=5.0,
        socket_connect_timeout=2.0,
    )


def make_broker(
    client: Redis,
    lanes: Sequence[str],
    served_lanes: Sequence[str] | None = None,
    queues: Iterable[str] = (QUEUE,),
) -> PriorityBroker:
    """A broker without Dramatiq's retries, time limits and age limits: the engine decides all of that.

    `lanes`: all there are, the highest first; `served_lanes`: those that this process's workers serve.
    """
    broker = PriorityBroker(
        client=client,
        namespace=NAMESPACE,
        lanes=lanes,
        served_lanes=served_lanes,
        rules=RULES,
        middleware=[RejectUnanswerable()],
    )
    for queue in sorted(set(queues)):
        broker.declare_queue(queue)
    dramatiq.set_broker(broker)
    return broker
