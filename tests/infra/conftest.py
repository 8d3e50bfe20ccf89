"""A house with real stores, orders planted row by row, and toy steps that go through the real runners."""

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest

from domain.errors import Poison
from domain.order import Lane
from domain.outcomes import Done
from infra.config.settings import Engine
from infra.engine.event_loop import EventLoopThread
from infra.engine.failures import Failures
from infra.engine.local import LocalRunner
from infra.engine.remote import Intended, Lease, RemoteRunner, call_each
from infra.engine.results import Failed, Finished, SubjectRef, decide_each
from infra.engine.write_outcomes import lock_subjects
from infra.process import failpoints
from infra.process.clock import SystemClock
from infra.queue.bells import BellKey
from infra.tables.orders import lock_fulfillment
from infra.tables.pool import Database

_NUMBERS = itertools.count(1)

_ORDER = """
WITH raw AS (
    INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
    VALUES ('taobao', 's1', %(number)s, '', 'pull', 'bulk', '') RETURNING id
), made AS (
    INSERT INTO orders (platform, shop, platform_order_id, raw_payload_id, platform_state, order_type, source,
        member_level, currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor, paid_minor,
        balance_open, platform_hold, placed_at, changed_at, buyer_id, buyer_memo, seller_memo, seller_flag, received_at)
    SELECT 'taobao', 's1', %(number)s, id, 'to_ship', 'normal', 'shelf', 'none', 'CNY', 0, 0, 0, 0, 0, 0,
        false, false, now(), now(), '', '', '', 0, now() FROM raw RETURNING id
)
INSERT INTO fulfillment_order (order_id, state, resume_state, lane, finished_at, closed_reason)
SELECT id, %(state)s, %(resume)s, %(lane)s, CASE WHEN %(state)s IN ('closed', 'completed') THEN now() END,
    CASE WHEN %(state)s = 'closed' THEN 'test' END
FROM made RETURNING id
"""


class Rung:
    """Bells that are only written down."""

    def __init__(self) -> None:
        self.keys: list[BellKey] = []

    def ring(self, keys) -> None:
        self.keys.extend(sorted(keys))


class FixedDice:
    """Retries without jitter."""

    def fraction(self) -> float:
        return 0.0

    def token(self) -> UUID:
        return uuid4()


class SteppedClock:
    """A clock whose monotonic time moves only by hand."""

    def __init__(self) -> None:
        self.at = 100.0

    def monotonic(self) -> float:
        return self.at

    def utcnow(self):
        return SystemClock().utcnow()


@dataclass(frozen=True, slots=True)
class Subject:
    ref: SubjectRef


@dataclass
class Toy:
    """A local step over fulfillment orders that does what the test says, and writes down its batches."""

    decide: Callable[[Subject], Any] = lambda subject: Finished(subject.ref, Done())
    before: Callable[..., None] = lambda _tx, _ids: None
    step: str = "review"
    batches: list[list[int]] = field(default_factory=list)

    def work(self, tx, subject_ids):
        self.batches.append(list(subject_ids))
        found = lock_fulfillment(tx, subject_ids)
        self.before(tx, subject_ids)
        subjects = [Subject(SubjectRef(one.id, one.lane, one.order_id, one.id, None, one.state)) for one in found]
        return decide_each(self.step, subjects, self.decide)


@dataclass
class ToyCall:
    """A remote step over packages: `answer` is its call, `settle` judges what came back."""

    answer: Callable[[Subject], Any]
    settle: Callable[[Subject, Any], Any] = lambda one, _: Finished(one.ref, Done())
    clock: Any = field(default_factory=SystemClock)
    at_once: int = 8
    call_s: float = 1.0
    step: str = "label"
    recorded: list[tuple[int, Any]] = field(default_factory=list)

    def intend(self, tx, subject_ids):
        known = [row[0] for row in tx.execute("SELECT id FROM package WHERE id = ANY(%s)", [list(subject_ids)])]
        return Intended([Subject(ref) for ref in lock_subjects(tx, self.step, Lane.BULK, known).values()])

    async def call(self, intents, lease: Lease):
        return await call_each(
            intents,
            self.answer,
            at_once=self.at_once,
            start_before=lease.ends_at - self.call_s,
            now=self.clock.monotonic,
            is_draining=lease.is_draining,
        )

    def record(self, tx, answered):
        self.recorded.extend((one.ref.subject_id, answer) for one, answer in answered)
        answers = {one.ref.subject_id: answer for one, answer in answered}
        return decide_each(
            self.step, [one for one, _ in answered], lambda one: self.settle(one, answers[one.ref.subject_id])
        )


@dataclass
class EngineHarness:
    """One database and what a test does to it."""

    db: Database
    event_loop: EventLoopThread
    bells: Any = field(default_factory=Rung)
    limits: Engine = field(default_factory=Engine)
    worker: int = 1_000_000

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self.db.connection() as connection:
            cursor = connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def script(self, *statements: str) -> None:
        """Statements without values."""
        for statement in statements:
            self.rows(statement)

    def one(self, query: str, *values: object) -> Any:
        [[value]] = self.rows(query, *values)
        return value

    def order(self, state: str = "paid", resume: str | None = None, lane: str = "bulk") -> int:
        """A fulfillment order in a state; its id."""
        named = {"number": str(next(_NUMBERS)), "state": state, "resume": resume, "lane": lane}
        with self.db.connection() as connection:
            return connection.execute(_ORDER, named).fetchone()[0]

    def package(self, state: str = "allocated") -> int:
        query = """INSERT INTO package (fulfillment_order_id, number, courier, account, location)
                   VALUES (%s, 1, 'sf', 'sf/main', 'east') RETURNING id"""
        return self.one(query, self.order(state))

    def due(self, step: str, ids, lane: str = "bulk", account: str = "", after_s: float = 0.0) -> BellKey:
        """Work of `ids`, due `after_s` seconds from now; the key that claims it."""
        self.rows(
            """INSERT INTO work (step, subject_id, lane, account, due_at)
               SELECT %s, unnest(%s::bigint[]), %s, %s, now() + make_interval(secs => %s)""",
            *(step, list(ids), lane, account, after_s),
        )
        return BellKey(step, lane, account)

    def fall_due(self) -> None:
        """Let the time pass that retries wait for."""
        self.rows("UPDATE work SET due_at = now() - interval '1 second'")

    def work(self) -> dict[int, tuple[int, int, bool]]:
        """Attempts, crashes and suspicion by subject."""
        return {row[0]: row[1:] for row in self.rows("SELECT subject_id, attempts, crashes, is_suspect FROM work")}

    def states(self) -> dict[int, str]:
        return dict(self.rows("SELECT id, state FROM fulfillment_order"))

    def alarms(self) -> list[tuple[str, str, int]]:
        """Kind, key and count of the open alarms."""
        return self.rows("SELECT kind, key, count FROM alarm WHERE closed_at IS NULL ORDER BY id")

    def letters(self) -> dict[int, tuple[str, list[dict[str, Any]]]]:
        """Code and cause chain of the open dead letters by subject."""
        query = "SELECT subject_id, code, causes FROM dead_letter WHERE closed_at IS NULL"
        return {row[0]: row[1:] for row in self.rows(query)}

    def kinds(self, fulfillment_order_id: int) -> list[str]:
        query = "SELECT kind FROM event WHERE fulfillment_order_id = %s ORDER BY id"
        return [row[0] for row in self.rows(query, fulfillment_order_id)]

    def failures(self) -> Failures:
        return Failures(self.limits, SystemClock(), FixedDice())

    def local(self, step: Toy, batch_max: int = 50) -> LocalRunner:
        return LocalRunner(step, self.db, self.bells, self.failures(), FixedDice(), self.worker, batch_max)

    def remote(self, step: ToyCall, batch_max: int = 50, lease_s: float = 60.0) -> RemoteRunner:
        return RemoteRunner(
            step,
            self.db,
            self.bells,
            self.event_loop,
            self.failures(),
            FixedDice(),
            step.clock,
            self.worker,
            batch_max,
            lease_s,
        )


@pytest.fixture
def event_loop() -> Iterator[EventLoopThread]:
    with EventLoopThread() as event_loop:
        yield event_loop


@pytest.fixture
def harness(database: Database, event_loop: EventLoopThread) -> EngineHarness:
    return EngineHarness(database, event_loop)


@pytest.fixture
def toy() -> type[Toy]:
    return Toy


@pytest.fixture
def toy_call() -> type[ToyCall]:
    return ToyCall


@pytest.fixture
def dead(harness: EngineHarness) -> Callable[..., dict[int, int]]:
    """Packages whose label died of `code`: their dead letters by package. A fresh package each unless given."""

    def die(count: int = 1, code: str = "sick", *packages: int) -> dict[int, int]:
        async def answer(_: Subject) -> None:
            raise Poison(code, "no")

        ids = packages or [harness.package() for _ in range(count)]
        key = harness.due("label", ids, account="sf/main")
        runner = harness.remote(ToyCall(answer, lambda one, error: Failed(one.ref, error)), batch_max=500)
        while runner.run(key):
            pass
        query = "SELECT subject_id, id FROM dead_letter WHERE closed_at IS NULL AND subject_id = ANY(%s) ORDER BY id"
        return dict(harness.rows(query, list(ids)))

    return die


@pytest.fixture
def stepped_clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def arm() -> Iterator[Callable[..., None]]:
    """Arm one failpoint; all are disarmed after the test."""

    def arm(at: str, do: str, *subjects: int) -> None:
        entry: dict[str, Any] = {"at": at, "do": do}
        if subjects:
            entry["subjects"] = subjects
        failpoints.arm(json.dumps([entry]))

    yield arm
    failpoints.arm("")
