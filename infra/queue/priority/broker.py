"""The broker that Dramatiq talks to. See docs/explanation/priority-broker.md."""

import os
import threading
from collections.abc import Iterable, Sequence
from itertools import count
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

from dramatiq import Message, Middleware
from dramatiq.broker import Broker, Consumer, MessageProxy
from dramatiq.errors import BrokerConnectionError, ConnectionClosed, QueueJoinTimeout
from dramatiq.middleware import MiddlewareError
from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from infra.queue.priority import rejected
from infra.queue.priority.consumer import PriorityConsumer
from infra.queue.priority.delivery import (
    FAIR_KEY,
    LANE,
    WEIGHT,
    Delivery,
    End,
    Held,
    KeptSend,
    QueuePosition,
    queue_position,
)
from infra.queue.priority.fitness import check_client, check_connections, check_namespace, check_server
from infra.queue.priority.heartbeat import Heartbeat
from infra.queue.priority.hooks import Hooks
from infra.queue.priority.local_queue import LocalQueue
from infra.queue.priority.rejected import RejectedMessage
from infra.queue.priority.rules import QueueRules
from infra.queue.priority.scripts import QueueEntry, Scripts, batches
from infra.queue.priority.sending import entry, send_kept, without_eta
from infra.queue.priority.stats import QueueStats, read_stats
from infra.queue.priority.too_large import MessageTooLarge, too_large
from infra.queue.priority.worker_states import WorkerStates

LANES = ("p0", "p1", "bulk")
RETRIES = 3
TIMEOUT_S = 5.0  # of a connection that the broker makes itself


class PriorityBroker(Broker):
    """Redis broker with a lane for each message, higher lanes first in `lanes`.

    A message's or its actor's options `lane`, `fair_key` and `weight` say where it stands in line, whose turns it
    uses and for how many orders it counts. Without a lane it is of `default_lane`, by default the last one.
    `served_lanes` reserves this process's workers for some lanes. Redis is `client`, or at `url`.
    """

    def __init__(
        self,
        *,
        url: str = "redis://localhost:6379/0",
        client: Redis | None = None,
        namespace: str = "priority",
        lanes: Sequence[str] = LANES,
        default_lane: str | None = None,
        served_lanes: Sequence[str] | None = None,
        rules: QueueRules | None = None,
        middleware: list[Middleware] | None = None,
    ) -> None:
        """Raise ValueError for lanes that do not fit together, Unfit for a client or namespace that cannot carry it."""
        super().__init__(middleware=middleware)
        self.actor_options |= {LANE, FAIR_KEY, WEIGHT}
        self.queues: set[str] = set()
        self.client = client or Redis.from_url(
            url,
            retry=Retry(ExponentialBackoff(cap=0.5, base=0.02), RETRIES),
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
        )
        check_client(self.client)
        check_namespace(namespace)
        self.namespace = namespace
        self.rules = rules or QueueRules()
        self.lanes = _checked_lanes(lanes)
        self.default_lane = default_lane or self.lanes[-1]
        served = self.lanes if served_lanes is None else served_lanes
        self.served_lanes = tuple(lane for lane in self.lanes if lane in served)
        if not {self.default_lane, *served} <= set(self.lanes) or not self.served_lanes:
            raise ValueError("the default lane and the served lanes must be lanes")
        self.broker_id = uuid4().hex
        self._hooks = Hooks()
        self._worker_states = WorkerStates()
        self._scripts: dict[str, Scripts] = {}
        self._heartbeat: Heartbeat | None = None
        self._lock = threading.Lock()
        self._numbers = count(1)
        self._generation = 0
        self._thread = threading.local()

    def declare_queue(self, queue_name: str) -> None:
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    def get_declared_queues(self) -> set[str]:
        return self.queues.copy()

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        """Raise BrokerConnectionError when Redis is away."""
        local_queue = self._local_queue_of(queue_name)
        consumer = PriorityConsumer(
            queue_name,
            local_queue,
            local_queue.slots,
            lanes=self.served_lanes,
            prefetch=prefetch,
            timeout_ms=timeout,
            lease_s=self.rules.lease_ms / 1000,
            next_token=lambda: f"{self._owner()}:{next(self._numbers)}",
            is_known=self.actors.__contains__,
        )
        self._start_heartbeat()
        return consumer

    def enqueue(self, message: Message[Any], *, delay: int | None = None) -> Message[Any]:
        """Enqueue a message, to run `delay` milliseconds from now at the earliest.

        A message whose id still waits is not enqueued again. When Redis is away or does not take it while Dramatiq ends
        another message (a retry, the next of a pipeline), this one is kept and goes out before that one is settled.

        Raises BrokerConnectionError when Redis is away, ValueError for a lane, fair key or weight that is none, and
        MessageTooLarge.
        """
        message, delay = without_eta(message.copy() if isinstance(message, MessageProxy) else message, delay)
        self.emit_before("enqueue", message, delay)
        unsent = self._entry(message, delay)
        call = self._next_call()
        try:
            self._send(message.queue_name, call, [unsent])
        except (ConnectionClosed, RedisError) as error:
            due = None if unsent.delay_ms < 0 else monotonic() + unsent.delay_ms / 1000
            kept = KeptSend(message.queue_name, call, unsent, due)
            if not self._keep(kept if isinstance(error, ConnectionClosed) else kept.anew()):
                raise
            return message
        if oversized := too_large([unsent], self.rules.max_bytes):
            self._refuse_oversized(oversized)
            return message
        self.emit_after("enqueue", message, delay)
        return message

    def flush(self, queue_name: str) -> None:
        """Drop waiting, delayed and running messages. Rejected ones stay."""
        self._scripts_of(queue_name).flush(self.lanes)

    def flush_all(self) -> None:
        for queue_name in self.queues:
            self.flush(queue_name)

    def join(self, queue_name: str, *, interval: int = 100, timeout: int | None = None) -> None:
        """Wait until no message waits, is delayed or runs, looking every `interval` milliseconds.

        Raises QueueJoinTimeout after `timeout` milliseconds.
        """
        deadline = None if timeout is None else monotonic() + timeout / 1000
        scripts = self._scripts_of(queue_name)
        while scripts.size():
            if deadline is not None and monotonic() >= deadline:
                raise QueueJoinTimeout(queue_name)  # type: ignore[no-untyped-call] # Dramatiq leaves it untyped
            sleep(interval / 1000)

    def close(self) -> None:
        """Give back what is fetched and not begun, and end the heartbeat."""
        heartbeat, self._heartbeat = self._heartbeat, None
        if heartbeat is not None:
            heartbeat.stop()
        for local_queue in self._worker_states.local_queues():
            try:
                local_queue.close()
            except BrokerConnectionError:
                self.logger.warning("Closed without Redis: messages come back when their leases end.", exc_info=True)

    def emit_before(self, signal: str, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Dramatiq's signature
        if signal == "worker_boot":
            worker = args[0]
            check_connections(self.client, len(worker.consumer_whitelist or self.queues), worker.worker_threads)
            check_server(self.client)
        hook = f"before_{signal}"
        for middleware in self._hooks.hearing(self.middleware, hook):
            try:
                getattr(middleware, hook)(self, *args, **kwargs)
            except MiddlewareError:
                raise
            except Exception:
                self.logger.critical("%s of %r failed.", hook, middleware, exc_info=True)
        if signal == "worker_boot":
            self._worker_states.boot(args[0])
        elif signal == "process_message":
            self._note_start(args[0])

    def emit_after(self, signal: str, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Dramatiq's signature
        hook = f"after_{signal}"
        is_ending = signal in {"process_message", "skip_message"}
        if is_ending:
            self._thread.ending = args[0]
        try:
            for middleware in self._hooks.hearing(self.middleware, hook):
                try:
                    getattr(middleware, hook)(self, *args, **kwargs)
                except Exception:
                    self.logger.critical("%s of %r failed.", hook, middleware, exc_info=True)
        finally:
            if is_ending:
                self._thread.ending = None
            elif signal == "worker_shutdown":
                self._worker_states.shut_down(args[0])

    def enqueue_many(self, messages: Iterable[Message[Any]], *, delay: int | None = None) -> list[Message[Any]]:
        """Enqueue messages, up to 500 or 4 MB of a queue in one round trip.

        Raises like `enqueue`, MessageTooLarge when all others have been sent.
        """
        sent = [without_eta(message, delay) for message in messages]
        for message, due in sent:
            self.emit_before("enqueue", message, due)
        by_queue: dict[str, list[QueueEntry]] = {}
        for message, due in sent:
            by_queue.setdefault(message.queue_name, []).append(self._entry(message, due))
        for queue_name, entries in by_queue.items():
            for batch in batches(entries):
                self._send(queue_name, self._next_call(), batch)
        oversized = too_large([one for entries in by_queue.values() for one in entries], self.rules.max_bytes)
        for message, due in sent:
            if message.message_id not in oversized:
                self.emit_after("enqueue", message, due)
        if oversized:
            self._refuse_oversized(oversized)
        return [message for message, _ in sent]

    def known(self, queue_name: str, ids: Iterable[str]) -> set[str]:
        """Return those message ids that wait, are delayed or run."""
        return self._scripts_of(queue_name).known(list(ids))

    def change_lane(self, queue_name: str, ids: Iterable[str], lane: str) -> int:
        """Move waiting messages to another lane. Returns how many are known. Raises ValueError for an unknown lane."""
        if lane not in self.lanes:
            raise ValueError(f"lane {lane!r} is none of {self.lanes}")
        return self._scripts_of(queue_name).move(list(ids), lane)

    def stats(self, queue_name: str) -> QueueStats:
        return read_stats(self._scripts_of(queue_name).stats(self.lanes), self.lanes)

    def rejected(self, queue_name: str, *, offset: int = 0, count: int = 100) -> list[RejectedMessage]:
        """Return rejected messages, oldest first: up to `count`, 500, or 4 MB, but one if there is one at `offset`."""
        return rejected.list_rejected(self._scripts_of(queue_name), offset, count)

    def redrive(self, queue_name: str, ids: Iterable[str]) -> int:
        """Enqueue rejected messages again. Returns how many there were."""
        return rejected.redrive(self._scripts_of(queue_name), ids)

    def discard(self, queue_name: str, ids: Iterable[str]) -> int:
        """Forget rejected messages. Returns how many there were."""
        return rejected.discard(self._scripts_of(queue_name), ids)

    def acknowledge_dropped(self, queue_name: str, count: int) -> None:
        """Take `count` off `rejected_dropped`: they have been reported."""
        self._scripts_of(queue_name).rejected("acknowledge", count)

    def _entry(self, message: Message[Any], delay: int | None) -> QueueEntry:
        options, sender = message.options, self._sender()
        if actor := self.actors.get(message.actor_name):
            options = {key: actor.options[key] for key in (LANE, FAIR_KEY, WEIGHT) if key in actor.options} | options
        if sender is not None and LANE not in options:
            # The next of a pipeline, or what follows a group, goes on in the lane of the one that brings it.
            options = options | {LANE: sender.options[LANE]}
        try:
            where = queue_position(options, self.lanes, self.default_lane)
        except ValueError:
            if sender is None:
                raise
            # A retry has nobody to tell: it must not be lost because its lane was done away with meanwhile.
            where = QueuePosition(self.default_lane, "", 1)
        return entry(message, delay, where)

    def _next_call(self) -> tuple[str, str]:
        """Producer and number: Redis remembers the last number of each producer, so a thread is one."""
        return f"{self._owner()}:{threading.get_ident()}:{self._generation}", str(next(self._numbers))

    def _send(self, queue_name: str, call: tuple[str, str], entries: Sequence[QueueEntry]) -> None:
        self._scripts_of(queue_name).enqueue(*call, entries)

    def _refuse_oversized(self, oversized: dict[str, int]) -> None:
        """Tell the sender what was rejected. What Dramatiq sends while a message ends has nobody to tell."""
        error = MessageTooLarge(oversized, self.rules.max_bytes)
        if self._sender() is None:
            raise error
        # As a text, because the log shows only the type of an exception.
        self.logger.error("%s", str(error))

    def _keep(self, kept: KeptSend) -> bool:
        """Keep a message with the one that is ending on this thread, if any."""
        sender = self._sender()
        if sender is None:
            return False
        sender.kept_sends.append(kept)
        # The call may have arrived and only its answer be lost. No other may take its producer's name until it is
        # repeated, or Redis would not recognize it.
        self._generation = next(self._numbers)
        self.logger.warning("Redis does not take message %s: it goes out with its sender's end.", kept.entry.message_id)
        return True

    def _sender(self) -> Delivery | None:
        """Return the message that is ending on this thread."""
        ending = getattr(self._thread, "ending", None)
        return ending if isinstance(ending, Delivery) else None

    def _send_kept(self, ended: dict[Held, End]) -> set[Held]:
        return send_kept(self._scripts_of, {held: end for held, end in ended.items() if end.kept_sends})

    def _note_start(self, message: object) -> None:
        if isinstance(message, Delivery) and message.crashes:
            try:
                self._scripts_of(message.queue_name).start(message.message_id, message.token)
            except BrokerConnectionError as error:
                self.logger.warning("The start of message %s was not noted: %s", message.message_id, error)

    def _owner(self) -> str:
        return f"{self.broker_id}.{os.getpid()}"

    def _scripts_of(self, queue_name: str) -> Scripts:
        scripts = self._scripts.get(queue_name)
        if scripts is None:
            scripts = self._scripts[queue_name] = Scripts(self.client, self.namespace, queue_name, self.rules)
        return scripts

    def _local_queue_of(self, queue_name: str) -> LocalQueue:
        state = self._worker_states.current()
        with self._lock:
            if queue_name not in state.local_queues:
                scripts = self._scripts_of(queue_name)
                state.local_queues[queue_name] = LocalQueue(
                    scripts, state.slots, self._owner(), self.rules, self._send_kept
                )
            return state.local_queues[queue_name]

    def _start_heartbeat(self) -> None:
        with self._lock:
            if self._heartbeat is None:
                interval_s = self.rules.lease_ms / 3000
                self._heartbeat = Heartbeat(self._worker_states.local_queues, interval_s)
                self._heartbeat.start()


def _checked_lanes(lanes: Sequence[str]) -> tuple[str, ...]:
    if not lanes or len(set(lanes)) != len(lanes) or not all(lane.isidentifier() for lane in lanes):
        raise ValueError("lanes are different plain names")
    return tuple(lanes)
