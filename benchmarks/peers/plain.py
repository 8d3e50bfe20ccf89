"""One step for the subjects of one message, without an engine. See the room's description."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch
from uuid import uuid4

from actors.label import LabelStep
from actors.normalize import NormalizeStep
from actors.notify import NotifyStep
from actors.orders import intake
from actors.pull import PullStep
from actors.reserve import ReserveStep
from actors.review import ReviewStep
from actors.route import RouteStep
from actors.scan import ScanStep
from actors.tools import Tools
from actors.writeback import WritebackStep
from adapters import registry
from adapters.http_client import HttpClient
from domain.errors import FulfilmentError, Throttled, Transient, UnknownOutcome
from domain.order import Lane
from infra.config.settings import Settings
from infra.engine import write_outcomes
from infra.engine.event_loop import EventLoopThread
from infra.engine.local import LocalStep
from infra.engine.remote import Lease, RemoteStep
from infra.engine.results import Failed, NewWork, Result
from infra.engine.write_outcomes import Writes, gather, lock_subjects, write
from infra.process.clock import SystemClock
from infra.queue.keys import BellKey
from infra.tables.locations import LOCATIONS
from infra.tables.pool import Connection, Database
from infra.tables.shops import SHOPS
from infra.telemetry.log import get_logger
from workers.wiring import connect

# Longer than the reading of any window: nothing else waits for the subject of a message of a plain chain.
_LEASE_S = 60.0
# Trying again may help; after anything else the order stands, and the log says why.
_AGAIN = (Transient, Throttled, UnknownOutcome)

log = get_logger(__name__)

Send = Callable[[Sequence[NewWork]], None]


class Outbox(threading.local):
    """What the transaction of this thread makes due: sent after its commit, forgotten with its roll-back.

    It replaces the due rows and bells of the engine.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._waiting: list[NewWork] = []

    def add(self, _tx: Connection, added: Iterable[NewWork]) -> None:
        self._waiting.extend(added)

    def clear(self) -> None:
        self._waiting.clear()

    def ring(self, _keys: Iterable[BellKey] = ()) -> None:
        """Called after a commit."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._send(waiting)


@dataclass(frozen=True, slots=True)
class Chain:
    """Runs steps. Work that a step makes due is sent by the outbox."""

    tools: Tools
    event_loop: EventLoopThread
    outbox: Outbox
    inner: Mapping[str, LocalStep] = field(default_factory=dict)
    outer: Mapping[str, RemoteStep] = field(default_factory=dict)

    def run(self, step: str, lane: Lane, account: str, subject_ids: Sequence[int]) -> None:
        """Do one step of the subjects of one message, then send what follows. Raises what another try may help."""
        self.outbox.clear()
        key = BellKey(step, lane, account)
        if step in self.inner:
            failed = self._run_inner(self.inner[step], key, subject_ids)
        else:
            failed = self._run_outer(self.outer[step], key, subject_ids)
        self.outbox.ring()
        for one in failed:
            if not isinstance(one.error, FulfilmentError) or isinstance(one.error, _AGAIN):
                raise one.error
            log.error("given_up", step=step, subject_id=one.ref.subject_id, code=one.error.code)

    def _run_inner(self, step: LocalStep, key: BellKey, subject_ids: Sequence[int]) -> list[Failed]:
        with self.tools.db.transaction() as tx:
            return self._write(tx, key, step.work(tx, subject_ids))

    def _run_outer(self, step: RemoteStep, key: BellKey, subject_ids: Sequence[int]) -> list[Failed]:
        with self.tools.db.transaction() as tx:
            intended = step.intend(tx, subject_ids)
            failed = self._write(tx, key, intended.finished)
        if not intended.intents:
            return failed
        lease = Lease(key, uuid4(), self.tools.clock.monotonic() + _LEASE_S)
        answers = self.event_loop.run(_call(step, intended.intents, lease))
        with self.tools.db.transaction() as tx:
            now = lock_subjects(tx, step.step, key.lane, [intent.ref.subject_id for intent in intended.intents])
            pairs = [
                (replace(intent, ref=now[intent.ref.subject_id]), answers[intent.ref.subject_id])
                for intent in intended.intents
            ]
            return [*failed, *self._write(tx, key, step.record(tx, pairs))]

    def _write(self, tx: Connection, key: BellKey, results: Sequence[Result]) -> list[Failed]:
        """States, holds and events as the engine writes them; what it keeps in due rows becomes messages."""
        step, writes = key.step, Writes()
        failed = [result for result in results if isinstance(result, Failed)]
        for result in results:
            if not isinstance(result, Failed):
                gather(step, result, writes)
        for row in writes.postponed:
            again = NewWork(step, row["subject_id"], Lane(key.lane), key.account, after_s=row["after_s"])
            writes.added.append(again)
        writes.finished.clear()
        writes.postponed.clear()
        write(tx, step, writes)
        return failed


@contextmanager
def plain_chain(settings: Settings, db: Database, send: Send, *, http: HttpClient | None = None) -> Iterator[Chain]:
    """Everything that a process of a peer needs, with the engine's due rows out of the way."""
    outbox = Outbox(send)
    with ExitStack() as stack:
        event_loop = stack.enter_context(EventLoopThread())
        http = http or HttpClient(settings.door, registry.hosts(settings), SystemClock())
        event_loop.run(http.open())
        stack.callback(lambda: event_loop.run(http.close()))
        tools = connect(settings, db, outbox, http)
        stack.enter_context(patch.object(write_outcomes, "add_work", outbox.add))
        stack.enter_context(patch.object(intake, "add_work", outbox.add))
        inner: tuple[LocalStep, ...] = (NormalizeStep(tools), ReserveStep(tools), ReviewStep(tools), RouteStep(tools))
        outer: tuple[RemoteStep, ...] = (
            PullStep(tools),
            LabelStep(tools),
            ScanStep(tools),
            WritebackStep(tools),
            NotifyStep(tools),
        )
        yield Chain(tools, event_loop, outbox, {step.step: step for step in inner}, {step.step: step for step in outer})


def first_work(db: Database, settings: Settings) -> list[NewWork]:
    """What starts a chain: every shop is pulled, every location's scans are read, and both come again."""
    with db.connection() as connection:
        shops = connection.execute(
            SHOPS["find_shops"], {"accounts": [shop.account for shop in settings.shops]}
        ).fetchall()
        locations = connection.execute(
            LOCATIONS["find_locations"], {"names": [location.name for location in settings.locations]}
        ).fetchall()
    return [
        *(NewWork("pull", id_, Lane.P1, account) for id_, account in shops),
        *(NewWork("warehouse", id_, Lane.P1, name) for id_, name in locations),
    ]


async def _call(step: RemoteStep, intents: Sequence[Any], lease: Lease) -> Mapping[int, Any]:
    return await step.call(intents, lease)
