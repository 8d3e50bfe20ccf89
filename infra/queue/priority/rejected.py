"""Rejected messages: what could not be delivered, kept until a person decides."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dramatiq import Message
from dramatiq.errors import DecodeError

from infra.queue.priority.delivery import SEPARATOR, QueuePosition, read_envelope
from infra.queue.priority.scripts import Scripts

FAILED = "failed"
UNDECODABLE = "undecodable"
UNKNOWN_ACTOR = "unknown_actor"  # until its grace is over, such a message is only put off


@dataclass(frozen=True, slots=True)
class RejectedMessage:
    """`reason` is failed, crashed, undecodable, unknown_actor or too_large; `rejected_at_ms` is Redis's clock."""

    message_id: str
    reason: str
    rejected_at_ms: int
    redelivered: int
    address: QueuePosition
    encoded: bytes

    def decode(self) -> Message[Any] | None:
        """Return the message, or None when it is undecodable."""
        try:
            return Message.decode(self.encoded)
        except DecodeError:
            return None


def list_rejected(scripts: Scripts, offset: int, count: int) -> list[RejectedMessage]:
    """Rejected messages, oldest first."""
    rows = zip(*[iter(scripts.rejected("list", offset, count))] * 3, strict=True)
    return [_read(str(message_id, "utf-8"), int(at_ms), record) for message_id, at_ms, record in rows]


def redrive(scripts: Scripts, ids: Iterable[str]) -> int:
    """Enqueue rejected messages again. Returns how many there were."""
    return scripts.change_rejected("redrive", list(ids))


def discard(scripts: Scripts, ids: Iterable[str]) -> int:
    """Forget rejected messages. Returns how many there were."""
    return scripts.change_rejected("discard", list(ids))


def _read(message_id: str, at_ms: int, record: bytes) -> RejectedMessage:
    reason, redelivered, envelope = record.split(SEPARATOR.encode(), 2)
    where, encoded = read_envelope(envelope)
    return RejectedMessage(message_id, reason.decode(), at_ms, int(redelivered), where, encoded)
