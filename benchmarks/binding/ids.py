"""Ids in messages: rows store which message carries them, messages name their rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from dramatiq import Message
from dramatiq.brokers.redis import RedisBroker
from redis import Redis

from benchmarks.binding.course import LANE, NEXT, Course
from infra.tables.pool import Database
from infra.tables.rows import rows_json
from infra.tables.sql import load
from infra.tables.work import WORK

IDS = load("ids", Path(__file__).parent)


@dataclass(frozen=True, slots=True)
class Ids:
    """See `benchmarks.binding.course.Way`."""

    db: Database
    broker: RedisBroker
    redis: Redis
    course: Course

    def handle(self, step: str, *said: object) -> int:
        message_id, subject_ids = said
        with self.db.transaction() as tx:
            named = {"step": step, "subject_ids": subject_ids, "message_id": message_id}
            claimed = [row[0] for row in tx.execute(IDS["claim"], named)]
            if not claimed:
                return 0
            parts: dict[str, list[int]] = {}
            tx.execute(WORK["finish"], {"step": step, "subject_ids": claimed})
            if following := NEXT[step]:
                parts = self._split(following, claimed)
                rows = [
                    {
                        "step": following,
                        "subject_id": subject_id,
                        "lane": LANE,
                        "account": self.course.account(following, subject_id),
                        "message_id": name,
                    }
                    for name, members in parts.items()
                    for subject_id in members
                ]
                tx.execute(IDS["add"], {"rows": rows_json(rows)})
        for name, members in parts.items():
            self._send(str(following), name, members)
        return len(claimed)

    def sweep(self) -> None:
        with self.db.connection() as connection:
            waiting = connection.execute(IDS["waiting"]).fetchall()
        known = self._known([message_id for message_id, _, _ in waiting])
        for message_id, step, subject_ids in waiting:
            if message_id not in known:
                self._send(step, message_id, subject_ids)

    def _split(self, step: str, subject_ids: Iterable[int]) -> dict[str, list[int]]:
        """One message for each account, since a batch calls out for one account only."""
        by_account: dict[str, list[int]] = {}
        for subject_id in subject_ids:
            by_account.setdefault(self.course.account(step, subject_id), []).append(subject_id)
        return {str(uuid4()): members for members in by_account.values()}

    def _send(self, step: str, message_id: str, subject_ids: Sequence[int]) -> None:
        message = Message[object](
            queue_name=LANE,
            actor_name=step,
            args=(message_id, list(subject_ids)),
            kwargs={},
            # The id under which the broker keeps a message; its own `enqueue` would draw another one.
            options={"redis_message_id": message_id},
        )
        self.broker.do_enqueue(LANE, message_id, message.encode())
        self.broker.emit_after("enqueue", message, None)

    def _known(self, message_ids: Sequence[str]) -> set[str]:
        """Ids of messages that wait or are under way. Dramatiq keeps both in one hash until they are acknowledged."""
        if not message_ids:
            return set()
        kept = self.redis.hmget(f"{self.broker.namespace}:{LANE}.msgs", list(message_ids))
        return {name for name, message in zip(message_ids, kept, strict=True) if message is not None}
