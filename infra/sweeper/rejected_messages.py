"""The sweeper's duty about messages that the broker rejected: each becomes a dead letter, where it lasts.

A bell belongs to no order. The due work is in its table, and the sweeper rings for it again, so the letter stops
nothing and nothing can be replayed. The letter informs a person that something sends messages which no actor can
process.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from dramatiq.errors import BrokerConnectionError
from redis.exceptions import RedisError

from domain.alarms import AlarmKind
from domain.dead_letters import MESSAGE
from domain.holds import HOLDS, HoldCode
from domain.retry import fingerprint
from infra.monitoring.alarm_events import note_event
from infra.queue.priority import PriorityBroker, RejectedMessage
from infra.tables.letters import add_letters
from infra.tables.pool import Database
from infra.tables.rows import Row
from infra.telemetry.log import get_logger

AT_ONCE = 100
_MEANINGS = {
    "failed": "could not be answered: its content is none of ours",
    "crashed": "ended one process after the other",
    "undecodable": "could not be decoded",
    "unknown_actor": "is for a step that no worker knows",
    "too_large": "is too large",
}
# Other content of a message, and its name, may come from any source: only its size and a hash are kept.
_NAME = re.compile(r"[a-z][a-z_]{0,39}")

log = get_logger(__name__)


@dataclass(slots=True)
class RejectedDuty:
    """Safe to run twice, and beside another sweeper: a message has one open letter."""

    db: Database
    broker: PriorityBroker

    def run(self) -> int:
        """Move all rejected messages; return how many. With Redis away they wait there for the next round."""
        try:
            return sum(self._move(queue) for queue in sorted(self.broker.queues))
        except (BrokerConnectionError, RedisError) as error:
            log.warning("rejected_messages_wait", error=type(error).__name__)
            return 0

    def _move(self, queue: str) -> int:
        moved = 0
        while found := self.broker.rejected(queue, count=AT_ONCE):
            # The letters first: after a crash in between, the next round finds the messages again, and their letters
            # open.
            with self.db.transaction() as tx:
                add_letters(tx, map(_letter, found))
            self.broker.discard(queue, [message.message_id for message in found])
            moved += len(found)
        if moved:
            log.error("messages_rejected", queue=queue, messages=moved)
        self._alarm(queue)
        return moved

    def _alarm(self, queue: str) -> None:
        """The broker keeps a limited number of messages; dropped messages have no letter, and are reported once."""
        dropped = self.broker.stats(queue).rejected_dropped
        if dropped:
            log.error("rejected_messages_dropped", queue=queue, messages=dropped)
            note_event(self.db, AlarmKind.REJECTED_MESSAGES_DROPPED, queue, dropped)
            self.broker.acknowledge_dropped(queue, dropped)


def _letter(message: RejectedMessage) -> Row:
    code, actor = f"message_{message.reason}", _actor(message)
    rule = HOLDS[HoldCode.DEAD_LETTER]
    content = hashlib.sha256(message.encoded).hexdigest()[:16]
    cause = {
        "type": "RejectedMessage",
        "code": code,
        "message": (
            f"a message of {len(message.encoded)} bytes for {actor} in lane {message.address.lane} "
            f"{_MEANINGS[message.reason]}; sha256 {content}, delivered again {message.redelivered} times"
        ),
        "at": "",
        "attempt": 1,
        "when": datetime.fromtimestamp(message.rejected_at_ms / 1000, UTC).isoformat(),
        "behind": [],
    }
    return {
        "step": MESSAGE,
        "subject_id": _number(message.message_id),
        "lane": message.address.lane,
        "account": "",
        "order_id": None,
        "fulfillment_order_id": None,
        "code": code,
        "fingerprint": fingerprint(MESSAGE, "", code, actor),
        "causes": [cause],
        "attempts": 1,
        "crashes": 0,
        "owner": rule.owner,
        "due_h": rule.due_h,
        "worker": 0,
        "code_version": "",
        "rules_version": "",
    }


def _actor(message: RejectedMessage) -> str:
    decoded = message.decode()
    name = "" if decoded is None else decoded.actor_name
    return name if isinstance(name, str) and _NAME.fullmatch(name) else "an unreadable step"


def _number(message_id: str) -> int:
    """The subject of the letter: one number for each message id."""
    return int.from_bytes(hashlib.sha256(message_id.encode()).digest()[:8]) >> 1
