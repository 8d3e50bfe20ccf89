"""Takes over what waits in Dramatiq's Redis broker."""

import logging

from dramatiq.broker import Broker, Consumer, MessageProxy
from dramatiq.common import dq_name

from infra.queue.priority.broker import PriorityBroker
from infra.queue.priority.too_large import MessageTooLarge

PREFETCH = 100
TIMEOUT_MS = 1000
DRAMATIQS_OWN = "redis_message_id"

log = logging.getLogger(__name__)


def move_from_dramatiq(source: Broker, target: PriorityBroker, queue_name: str) -> int:
    """Move waiting and delayed messages of a queue. Returns how many.

    Each is enqueued before it is acknowledged, and an id that waits is not enqueued twice: safe to interrupt and to
    repeat. Messages that workers of `source` hold are theirs until they are stopped, and come with a later call.
    One whose options `lane`, `fair_key` or `weight` mean something else here becomes a dead letter of `source`.
    Raises DecodeError at an undecodable message.
    """
    moved = 0
    for name in (queue_name, dq_name(queue_name)):
        consumer = source.consume(name, prefetch=PREFETCH, timeout=TIMEOUT_MS)
        try:
            while (message := next(consumer)) is not None:
                moved += _move(message, consumer, target, queue_name)
        finally:
            consumer.close()
    return moved


def _move(message: MessageProxy, source: Consumer, target: PriorityBroker, queue_name: str) -> bool:
    moved = message.copy(queue_name=queue_name)
    moved.options.pop(DRAMATIQS_OWN, None)
    try:
        target.enqueue(moved)
    except MessageTooLarge as error:
        log.warning("message %s is a rejected message now: %s", message.message_id, str(error))
    except ValueError as error:
        log.warning("message %s was not moved and is a dead letter now: %s", message.message_id, error)
        source.nack(message)
        return False
    source.ack(message)
    return True
