"""Takes over what waits in Dramatiq's Redis broker."""

from dramatiq.broker import Broker, MessageProxy
from dramatiq.common import dq_name

from infra.queue.priority.broker import PriorityBroker

PREFETCH = 100
TIMEOUT_MS = 1000
DRAMATIQS_OWN = "redis_message_id"


def move_from_dramatiq(source: Broker, target: PriorityBroker, queue_name: str) -> int:
    """Move waiting and delayed messages of a queue. Returns how many.

    Each is enqueued before it is acknowledged, and an id that waits is not enqueued twice: safe to interrupt and to
    repeat. Messages that workers of `source` hold are theirs until they are stopped, and come with a later call.
    Raises DecodeError at an undecodable message.
    """
    moved = 0
    for name in (queue_name, dq_name(queue_name)):
        consumer = source.consume(name, prefetch=PREFETCH, timeout=TIMEOUT_MS)
        while (message := next(consumer)) is not None:
            _move(message, target, queue_name)
            consumer.ack(message)
            moved += 1
        consumer.close()
    return moved


def _move(message: MessageProxy, target: PriorityBroker, queue_name: str) -> None:
    moved = message.copy(queue_name=queue_name)
    moved.options.pop(DRAMATIQS_OWN, None)
    target.enqueue(moved)
