"""The messages of one queue that this process holds: fetched ones, running ones, and ends that are not reported to
Redis yet.
"""

import logging
from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush
from itertools import count
from operator import itemgetter
from threading import Condition
from time import monotonic

from dramatiq.errors import BrokerConnectionError

from infra.queue.priority.delivery import Delivery, End, Held
from infra.queue.priority.rules import QueueRules
from infra.queue.priority.scripts import CHUNK, Scripts, Settlement
from infra.queue.priority.slots import Slots

log = logging.getLogger(__name__)


class LocalQueue:
    """Outlives its consumers, which Dramatiq makes anew after every lost connection. Safe to share among threads.

    `owner` names this process; `send_kept` sends what could not be sent when its sender ended, and returns the senders
    that still have something unsent. They are held on to until a later heartbeat, and hold nobody else up.
    """

    def __init__(
        self,
        scripts: Scripts,
        slots: Slots,
        owner: str,
        rules: QueueRules,
        send_kept: Callable[[dict[Held, End]], set[Held]],
    ) -> None:
        self.scripts = scripts
        self.owner = owner
        self.is_open = False
        self.is_listening = False
        self._send_kept = send_kept
        self.slots = slots
        self._rules = rules
        self._lease_s = rules.lease_ms / 1000
        self._changed: Condition = slots.changed
        self._buffer: list[tuple[int, int, Delivery]] = []
        self._order = count()
        self._passed_over = 0
        self._running: dict[Held, Delivery] = {}
        self._ended: dict[Held, End] = {}
        self._unsent: dict[Held, End] = {}

    @property
    def is_needed(self) -> bool:
        return self.is_open or bool(self._running or self._ended or self._unsent)

    @property
    def is_buffered(self) -> bool:
        return bool(self._buffer)

    @property
    def has_ended(self) -> bool:
        return bool(self._ended)

    @property
    def size(self) -> int:
        """Messages fetched and not ended."""
        return len(self._buffer) + len(self._running)

    @property
    def unsent(self) -> int:
        """Ended messages that must not be settled before what they sent has gone out."""
        with self._changed:
            return len(self._unsent) + sum(1 for end in self._ended.values() if end.kept_sends)

    @property
    def has_first_rank(self) -> bool:
        return bool(self._buffer) and self._buffer[0][0] == 0

    def add(self, deliveries: Iterable[Delivery]) -> None:
        with self._changed:
            for delivery in deliveries:
                heappush(self._buffer, (delivery.rank, next(self._order), delivery))

    def hand_over(self) -> Delivery | None:
        """Return the next message to run. A message whose lease may have run out belongs to another process now, and is
        dropped.
        """
        with self._changed:
            while self._buffer and self._buffer[0][2].lease_end <= monotonic():
                heappop(self._buffer)
            self._look_for_suspect()
            if not self._buffer or self.slots.is_full(self):
                return None
            delivery = self._next()
            self._running[delivery.held] = delivery
            self.slots.take(is_suspect=self._is_suspect(delivery))
            if self._is_suspect(delivery):
                self.slots.want_alone(self, is_wanted=False)
            return delivery

    def end(self, delivery: Delivery, reason: str = "") -> None:
        """Note the end of a delivery; Redis hears of it with the next fetch, or at once when none is near."""
        with self._changed:
            self._release(delivery)
            self._ended[delivery.held] = End(reason, delivery.kept_sends)
            self.slots.note_end()
            at_once = self.is_listening or not self.is_open
        if at_once:
            try:
                self.settle()
            except BrokerConnectionError as error:
                log.warning("the end of a message is kept until Redis is back: %s", error)

    def refuse(self, held: Held, reason: str) -> None:
        """Note the end of a delivery that no thread can have; Redis hears of it with the next fetch."""
        with self._changed:
            self._ended[held] = End(reason, [])

    def ended(self) -> dict[Held, End]:
        """Ends to settle now: ends of deliveries with nothing left to send. Settling one twice changes nothing."""
        with self._changed:
            ended = dict(list(self._ended.items())[:CHUNK])
        unsent = self._send_kept(ended)
        if not unsent:
            return ended
        with self._changed:
            self._unsent |= {held: self._ended.pop(held) for held in unsent if held in self._ended}
        return {held: end for held, end in ended.items() if held not in unsent}

    def settled(self, ended: Iterable[Held]) -> None:
        with self._changed:
            for held in ended:
                self._ended.pop(held, None)
                self._unsent.pop(held, None)

    def settle(self) -> None:
        while ended := self.ended():
            self.scripts.settle(settlements(ended))
            self.settled(ended)

    def give_back(self, deliveries: Iterable[Delivery]) -> None:
        """Return messages to their places in line. Running messages keep running."""
        with self._changed:
            given = list(deliveries)
            for delivery in given:
                self._release(delivery)
        if given:
            self.scripts.requeue([delivery.held for delivery in given])

    def close(self) -> None:
        """Give back what no thread has, and settle what has ended."""
        with self._changed:
            self.is_open = False
            buffered = [item[2] for item in sorted(self._buffer)]
            self._buffer.clear()
            self._look_for_suspect()
            self._retry_unsent()
        self.give_back(buffered)
        self.settle()

    def beat(self) -> None:
        """Renew what is held, and forget what is so no longer."""
        now = monotonic()
        with self._changed:
            self._retry_unsent()
            held = {*self._running, *self._ended, *(delivery.held for _, _, delivery in self._buffer)}
        lost = self.scripts.beat(self.owner, held)
        with self._changed:
            self._buffer = [item for item in self._buffer if item[2].held not in lost]
            heapify(self._buffer)
            self._look_for_suspect()
            for _, _, delivery in self._buffer:
                if delivery.held in held:
                    delivery.lease_end = now + self._lease_s
        if not self.is_open or self.is_listening:
            self.settle()

    def _next(self) -> Delivery:
        """Take the first in lane order out of the buffer.

        The first lane has a place of its own in a full buffer, so the share of what waits there is kept here: of
        `share` messages one is of a lower lane, unless that must run alone.
        """
        self._passed_over = self._passed_over + 1 if self.has_first_rank else 0
        if self._passed_over >= self._rules.share:
            self._passed_over = 0
            lower = [item for item in self._buffer if item[0] > 0 and not self._is_suspect(item[2])]
            if lower:
                longest_here = min(lower, key=itemgetter(1))
                self._buffer.remove(longest_here)
                heapify(self._buffer)
                return longest_here[2]
        return heappop(self._buffer)[2]

    def _retry_unsent(self) -> None:
        self._ended |= self._unsent
        self._unsent.clear()

    def _look_for_suspect(self) -> None:
        self.slots.want_alone(self, is_wanted=bool(self._buffer) and self._is_suspect(self._buffer[0][2]))

    def _is_suspect(self, delivery: Delivery) -> bool:
        return delivery.crashes > 0 and delivery.crashes >= self._rules.max_crashes - 1

    def _release(self, delivery: Delivery) -> None:
        if self._running.pop(delivery.held, None) is not None:
            self.slots.release(is_suspect=self._is_suspect(delivery))


def settlements(ended: dict[Held, End]) -> list[Settlement]:
    return [Settlement(message_id, token, end.reason) for (message_id, token), end in ended.items()]
