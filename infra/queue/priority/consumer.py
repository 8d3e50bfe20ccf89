"""Fetches messages of one queue in lane order and hands them to Dramatiq's worker, one for each free thread."""

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from time import monotonic
from typing import Any

import dramatiq.worker
from dramatiq import Message
from dramatiq.broker import Consumer, MessageProxy
from dramatiq.errors import DecodeError

from infra.queue.priority.delivery import LANE, Delivery, read_envelope
from infra.queue.priority.local_queue import LocalQueue, settlements
from infra.queue.priority.rejected import FAILED, UNDECODABLE, UNKNOWN_ACTOR
from infra.queue.priority.scripts import CHUNK, Fetched, FetchRequest
from infra.queue.priority.slots import Slots

FRESH_S = 0.005
BELL_LOST_S = 1.0  # LISTEN_MS in queue.lua
UNSENT_MAX = 1000  # nothing is fetched while more ended messages wait until Redis takes what they sent
TOP_LOOK_S = 0.05  # between looks for the first lane while the prefetch is full and a thread is free
_DRAMATIQ_PREFETCH = 2  # for each thread
_BRIEFLY_S = 0.002  # Redis takes 0 as for ever
_FETCHES = 8  # of which the quickest tells how far away Redis is: the others may have waited for somebody else
_FAR_S = 0.05  # and no further

log = logging.getLogger(__name__)


class PriorityConsumer(Consumer):
    """Made by the broker for one of Dramatiq's consumer threads.

    Fetched messages never get older than FRESH_S before the next message is handed over, so that a message of a higher
    lane is found first. Ended messages are settled with that fetch, at most FRESH_S late.
    """

    def __init__(
        self,
        queue: str,
        local_queue: LocalQueue,
        slots: Slots,
        *,
        lanes: Sequence[str],
        prefetch: int,
        timeout_ms: int,
        lease_s: float,
        next_token: Callable[[], str],
        is_known: Callable[[str], bool],
    ) -> None:
        self._queue = queue
        self._local_queue = local_queue
        self._slots = slots
        self._lanes = lanes
        self._prefetch = min(prefetch, CHUNK)
        # Dramatiq's own choice may be exceeded; a number that somebody chose is kept.
        is_chosen = dramatiq.worker.QUEUE_PREFETCH > 0 or prefetch != _DRAMATIQ_PREFETCH * (slots.threads or 0)
        self._is_prefetch_fixed = slots.threads is None or is_chosen
        self._timeout_s = timeout_ms / 1000
        self._lease_s = lease_s
        self._next_token = next_token
        self._is_known = is_known
        self._next_due_s = float("inf")
        self._fetched_at = 0.0
        self._more_waits = False
        self._took_s: deque[float] = deque(maxlen=_FETCHES)
        self._unknown: Counter[str] = Counter()  # actors of the last fetch
        self._past_unknown = 0
        local_queue.beat()
        local_queue.is_open = True

    def __next__(self) -> MessageProxy | None:
        """Return the next message, or None after the time-out. Raises BrokerConnectionError when Redis is away."""
        deadline = monotonic() + self._timeout_s
        while True:
            if not self._is_stale() and (delivery := self._local_queue.hand_over()):
                return delivery
            if self._should_fetch_ahead():
                self._fetch()
            is_free = self._wait_for_slot(deadline)
            if not is_free and not self._slots.is_brisk:
                self._local_queue.settle()  # what waits is for a process that has a thread for it sooner
            elif not is_free or not self._local_queue.is_buffered or self._is_stale():
                self._fetch()
            if is_free and (delivery := self._local_queue.hand_over()):
                return delivery
            if is_free and not self._local_queue.is_buffered:
                self._listen(deadline)
            if monotonic() >= deadline:
                return self._local_queue.hand_over()

    def ack(self, message: MessageProxy) -> None:
        assert isinstance(message, Delivery)
        self._local_queue.end(message)

    def nack(self, message: MessageProxy) -> None:
        assert isinstance(message, Delivery)
        self._local_queue.end(message, FAILED)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        self._local_queue.give_back(message for message in messages if isinstance(message, Delivery))

    def close(self) -> None:
        self._local_queue.close()

    def _age_s(self) -> float:
        return monotonic() - self._fetched_at

    def _is_stale(self) -> bool:
        return self._age_s() >= FRESH_S

    def _should_fetch_ahead(self) -> bool:
        """Return whether to fetch while all threads have very short messages in hand, so that none waits for it."""
        return (
            self._more_waits
            and self._slots.is_brisk
            and self._slots.is_full(self._local_queue)
            and self._age_s() >= FRESH_S / 2
        )

    def _wait_for_slot(self, deadline: float) -> bool:
        """Return whether a thread is free; False also when ended messages should be settled meanwhile."""
        with self._slots.changed:
            if self._slots.wait(self._local_queue, min(FRESH_S, deadline - monotonic())):
                return True
            if not self._local_queue.has_ended:
                self._slots.wait_for_end(deadline - monotonic())
                self._slots.wait(self._local_queue, min(FRESH_S, deadline - monotonic()))
            return not self._slots.is_full(self._local_queue)

    def _fetch(self) -> None:
        ended = self._local_queue.ended()
        wanted = self._wanted()
        asked_at = monotonic()
        answer = self._local_queue.scripts.fetch(wanted, settlements(ended))
        self._local_queue.settled(ended)
        self._took_s.append(monotonic() - asked_at)
        quickest_s = min(self._took_s)
        self._slots.distance_s = min(quickest_s, _FAR_S) if quickest_s > FRESH_S else 0.0
        self._take(wanted, asked_at, *answer)

    def _take(self, wanted: FetchRequest, asked_at: float, due_ms: int, fetched: list[Fetched]) -> None:
        self._fetched_at = monotonic()
        self._more_waits = 0 < wanted.room <= len(fetched)
        self._next_due_s = due_ms / 1000 if due_ms >= 0 else float("inf")
        self._unknown.clear()
        opened = (self._open(one, wanted.token, asked_at + self._lease_s) for one in fetched)
        deliveries = sorted((delivery for delivery in opened if delivery), key=attrgetter("rank"))
        most = wanted.room - self._past_unknown + wanted.top_room
        self._local_queue.add(deliveries[:most])
        self._look_past_unknown()
        self._local_queue.give_back(deliveries[most:])

    def _wanted(self) -> FetchRequest:
        room, top_room = self._room()
        if not room:
            self._past_unknown = 0
        return FetchRequest(self._next_token(), room + self._past_unknown, top_room, self._lanes)

    def _look_past_unknown(self) -> None:
        """Messages whose actors are unknown use no room: the next fetch asks for as many more as the last one met.

        They are put off together with that fetch, so a flood of them costs known ones few round trips. What then was
        fetched beyond the room goes back to its place.
        """
        unknown = self._unknown.total()
        self._past_unknown = min(self._past_unknown + unknown, CHUNK - self._prefetch) if unknown else 0
        if unknown:
            names = ", ".join(f"{name[:40]!r}" for name, _ in self._unknown.most_common(5))
            log.warning("%s messages for unknown actors are put off: %s", unknown, names)

    def _room(self) -> tuple[int, int]:
        """How many of any lane, and how many more of the first: one place is always left for it."""
        if self._local_queue.unsent > UNSENT_MAX:
            return 0, 0
        prefetch = self._prefetch if self._is_prefetch_fixed else self._slots.read_ahead(self._prefetch)
        room = max(0, prefetch - self._local_queue.size)
        is_top_open = prefetch > 1 and not room and not self._local_queue.has_first_rank
        return room, int(is_top_open)

    def _open(self, fetched: Fetched, token: str, lease_end: float) -> Delivery | None:
        """Turn what was fetched into a delivery. What is undecodable or has no actor here stops nobody."""
        try:
            message = self._decoded(fetched)
        except (DecodeError, ValueError) as error:
            # Without the trace, which would show what the message says.
            log.warning("message %s is undecodable and was rejected: %s", fetched.message_id, type(error).__name__)
            self._local_queue.refuse((fetched.message_id, token), UNDECODABLE)
            return None
        if not self._is_known(message.actor_name):
            self._unknown[message.actor_name] += 1
            self._local_queue.refuse((fetched.message_id, token), UNKNOWN_ACTOR)
            return None
        return Delivery(message, token=token, rank=fetched.rank, crashes=fetched.crashes, lease_end=lease_end)

    def _decoded(self, fetched: Fetched) -> Message[Any]:
        """Raise DecodeError or ValueError for what is no message, or one that Dramatiq could not handle or settle."""
        where, encoded = read_envelope(fetched.envelope)
        message = Message.decode(encoded)
        if (message.queue_name, message.message_id) != (self._queue, fetched.message_id):
            raise ValueError("it says that it is another one")
        for value, wanted in ((message.actor_name, str), (message.kwargs, dict), (message.options, dict)):
            if not isinstance(value, wanted):
                raise ValueError(f"{wanted.__name__} expected")  # noqa: TRY004 - wrong data, not a wrong call
        message.options[LANE] = where.lane  # which may have been changed while it waited: its retries stay there
        return message

    def _listen(self, deadline: float) -> None:
        """Wait for a bell, the next due message, or briefly enough to make up for a lost bell; then fetch."""
        asked_at = monotonic()
        timeout_s = min(deadline - asked_at, BELL_LOST_S, self._lease_s / 3, self._next_due_s)
        with self._slots.changed:
            if timeout_s <= 0 or self._local_queue.has_ended:
                return
            wanted = self._wanted()
            if not wanted.room:
                self._slots.wait_for_end(min(timeout_s, TOP_LOOK_S) if wanted.top_room else timeout_s)
                return
            self._local_queue.is_listening = True
        try:
            answer = self._local_queue.scripts.fetch_when_rung(wanted, max(_BRIEFLY_S, timeout_s))
        finally:
            self._local_queue.is_listening = False
        self._take(wanted, asked_at, *answer)
