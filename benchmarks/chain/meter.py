"""Counts what a worker process does for each step, without changing what it does."""

import asyncio
import threading
import time
from dataclasses import dataclass, field

import msgspec

from infra.engine.event_loop import EventLoopThread
from infra.engine.gated_runner import GatedRunner
from infra.process.steps import STEPS
from infra.queue.keys import BellKey
from infra.tables.pool import Counts


class StepUse(msgspec.Struct):
    """One step's work. `idle_bells` found nothing due; `cpu_s` is that of the worker's threads, without the loop's."""

    bells: int = 0
    idle_bells: int = 0
    subjects: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0

    def add(self, other: "StepUse") -> None:
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class WorkerUse(msgspec.Struct):
    """What one worker process did from the start line on. `loop_cpu_s`: of the thread that calls out."""

    steps: dict[str, StepUse]
    statements: int
    transactions: int
    loop_cpu_s: float


@dataclass(slots=True)
class Meter:
    """Adds up runs of any number of threads."""

    counts: Counts
    loop_clock: int
    steps: dict[str, StepUse] = field(default_factory=dict)
    statements_before: int = 0
    transactions_before: int = 0
    loop_before_s: float = 0.0
    loop_now_s: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def zero(self) -> None:
        """Set all counters to zero, so that start-up does not count."""
        self.statements_before, self.transactions_before = self.counts.statements, self.counts.commits
        self.loop_before_s = self.loop_now_s = time.clock_gettime(self.loop_clock)

    def add(self, step: str, use: StepUse) -> None:
        with self.lock:
            self.steps.setdefault(step, StepUse()).add(use)
            if STEPS[step].is_remote:
                # Read at every run, because the loop's thread is gone when the process reports.
                self.loop_now_s = time.clock_gettime(self.loop_clock)

    def use(self) -> WorkerUse:
        return WorkerUse(
            steps=self.steps,
            statements=self.counts.statements - self.statements_before,
            transactions=self.counts.commits - self.transactions_before,
            loop_cpu_s=self.loop_now_s - self.loop_before_s,
        )


@dataclass(frozen=True, slots=True)
class MeteredRunner:
    """A runner whose runs are counted."""

    runner: GatedRunner
    meter: Meter

    def run(self, key: BellKey) -> int:
        wall, cpu = time.perf_counter(), time.thread_time()
        subjects = self.runner.run(key)
        self.meter.add(
            key.step,
            StepUse(1, int(not subjects), subjects, time.perf_counter() - wall, time.thread_time() - cpu),
        )
        return subjects


def loop_clock(event_loop: EventLoopThread) -> int:
    """The CPU clock of the thread that runs the event loop."""

    async def ident() -> int:
        await asyncio.sleep(0)
        return threading.get_ident()

    return time.pthread_getcpuclockid(event_loop.run(ident()))
