"""A message under way: how it is addressed in Redis, and one delivery of it to this process."""

from typing import Any, NamedTuple

from dramatiq import Message
from dramatiq.broker import MessageProxy

from infra.queue.priority.scripts import QueueEntry

SEPARATOR = "\x1f"
_SEPARATOR = SEPARATOR.encode()
LANE, FAIR_KEY, WEIGHT = "lane", "fair_key", "weight"
_AGAIN = "'"
MAX_WEIGHT = 1_000_000  # so that sums over all that ever came stay below 2^53, up to which Lua counts exactly


Held = tuple[str, str]  # id and token of a delivery


class QueuePosition(NamedTuple):
    """The place of a message in its queue: its lane, the key whose turns it uses, and its weight in orders."""

    lane: str
    fair_key: str
    weight: int

    def envelope(self, encoded: bytes) -> bytes:
        return SEPARATOR.join((self.lane, self.fair_key, str(self.weight), "")).encode() + encoded


def read_envelope(envelope: bytes) -> tuple[QueuePosition, bytes]:
    """Read an envelope: the address of its message, and the encoded message. Raises ValueError for bytes that are no
    envelope.
    """
    lane, fair_key, weight, encoded = envelope.split(_SEPARATOR, 3)
    return QueuePosition(lane.decode(), fair_key.decode(), int(weight)), encoded


def queue_position(options: dict[str, Any], lanes: tuple[str, ...], default_lane: str) -> QueuePosition:
    """From a message's options. Raises ValueError for a lane nobody serves, or a weight or fair key that is none."""
    lane = options.get(LANE, default_lane)
    fair_key = options.get(FAIR_KEY, "")
    weight = options.get(WEIGHT, 1)
    if lane not in lanes:
        raise ValueError(f"lane {lane!r} is none of {lanes}")
    if not isinstance(fair_key, str) or SEPARATOR in fair_key:
        raise ValueError("a fair key is a text without control characters")
    if not isinstance(weight, int) or isinstance(weight, bool) or not 1 <= weight <= MAX_WEIGHT:
        raise ValueError(f"a weight is a whole number from 1 to {MAX_WEIGHT:,}")
    return QueuePosition(lane, fair_key, weight)


class KeptSend(NamedTuple):
    """A message that could not be enqueued when its sender ended, to go out before the sender is settled.

    `call`: producer and number of the call that failed. Repeated under these, it changes nothing if it had arrived.
    """

    queue: str
    call: tuple[str, str]
    entry: QueueEntry
    due: float | None  # on the monotonic clock

    def anew(self) -> "KeptSend":
        """The same as another call: the last one surely did not arrive, although Redis may have noted its number."""
        producer, number = self.call
        return self._replace(call=(producer, number[:-1] if number.endswith(_AGAIN) else number + _AGAIN))


class End(NamedTuple):
    """How a delivery ended: an empty reason is done, any other rejects."""

    reason: str
    kept_sends: list[KeptSend]


class Delivery(MessageProxy):
    """One delivery of a message to this process.

    `rank`: place of its lane, 0 first. `crashes`: processes that died of it so far. `lease_end`: until when it is
    surely this process's own, on the monotonic clock. `kept_sends`: see KeptSend.
    """

    def __init__(self, message: Message[Any], *, token: str, rank: int, crashes: int, lease_end: float) -> None:
        super().__init__(message)
        # Plain attributes: Dramatiq looks them up a score of times for each message, and its proxy is slow at that.
        self.__dict__.update(message.__dict__)
        self.held: Held = (message.message_id, token)
        self.token = token
        self.rank = rank
        self.crashes = crashes
        self.lease_end = lease_end
        self.kept_sends: list[KeptSend] = []
