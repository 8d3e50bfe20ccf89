"""From Dramatiq's messages to entries of the enqueue script."""

import logging
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

from dramatiq import Message
from dramatiq.common import current_millis
from dramatiq.errors import BrokerConnectionError
from redis.exceptions import RedisError

from infra.queue.priority.delivery import End, Held, KeptSend, QueuePosition
from infra.queue.priority.scripts import QueueEntry, Scripts

ETA = "eta"

log = logging.getLogger(__name__)


def without_eta(message: Message[Any], delay: int | None) -> tuple[Message[Any], int | None]:
    """A message that carries Dramatiq's due time (from one of its delay queues) is delayed by what is left of it.

    Left in the message, it would make Dramatiq's worker keep the message in memory.
    """
    if ETA not in message.options:
        return message, delay
    options = dict(message.options)
    eta = options.pop(ETA)
    plain: Message[Any] = Message(
        message.queue_name,
        message.actor_name,
        message.args,
        message.kwargs,
        options,
        message.message_id,
        message.message_timestamp,
    )
    if delay is None and isinstance(eta, int | float):
        delay = max(0, int(eta) - current_millis())
    return plain, delay


def entry(message: Message[Any], delay: int | None, where: QueuePosition) -> QueueEntry:
    """The entry of a message for the enqueue script; `delay` in ms, None for no delay."""
    return QueueEntry(message.message_id, -1 if delay is None else delay, where.envelope(message.encode()))


def send_kept(scripts_of: Callable[[str], Scripts], ended: Mapping[Held, End]) -> set[Held]:
    """Send what could not be sent when its sender ended, until Redis refuses. Sending it twice changes nothing.

    Returns the senders of which something is still unsent. What Redis never takes keeps only its own sender waiting.
    """
    unsent = dict(ended)
    for held, end in ended.items():
        for number, kept in enumerate(end.kept_sends):
            try:
                _send(scripts_of(kept.queue), kept)
            except (BrokerConnectionError, RedisError) as error:
                log.warning("%s ended messages wait until what they sent can be sent: %s", len(unsent), error)
                if isinstance(error, BrokerConnectionError):
                    return set(unsent)
                end.kept_sends[number] = kept.anew()
                break
        else:
            del unsent[held]
    return set(unsent)


def _send(scripts: Scripts, kept: KeptSend) -> None:
    delay = -1 if kept.due is None else max(0, int((kept.due - monotonic()) * 1000))
    for message_id in scripts.enqueue(*kept.call, [kept.entry._replace(delay_ms=delay)]):
        log.error("message %s is too large and was rejected", message_id)
