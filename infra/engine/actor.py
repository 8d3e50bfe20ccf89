"""How a message becomes work.

A step's file in `actors` declares its Dramatiq actor with `@actor(STEP, Class)`. At import this makes no broker and no
connection: it binds the name of the step to the class that does its work. `workers.wiring` makes the broker of a worker
process and binds every declared actor to it (`StepActor.bind`). From then on:

1. Code that makes work due writes a row of table `work` and, after the commit, sends a message (`infra.queue.bells`).
   The message names the step, a lane and an account. It names no order, so a lost message loses nothing and a second
   one does no harm.
2. A Dramatiq worker thread takes the message and calls the actor of the step's name.
3. The actor hands the message to the step's runner. Two runners wrap it: `ProcessRunner` (`infra.engine.exclusive`)
   lets a subject that may kill its process run alone, and `GatedRunner` (`infra.engine.gated_runner`) stops at paused
   lanes, steps and accounts.
4. The runner claims due rows of that step, lane and account and calls the class with their ids. `LocalRunner`
   (`infra.engine.local`) does so in one transaction with row locks. `RemoteRunner` (`infra.engine.remote`) takes a
   lease and writes the intents in one transaction, calls the outside with none open, and writes what came back in
   another.
5. `infra.engine.write_outcomes` stores the results of a batch, and the work that follows from them. The cycle begins
   again at 1.

The message that names a step, lane and account is called a bell (`infra.queue.keys.BellKey`). Work that is due at once
has its bell after the commit. Work that is due later (the next poll, a retry, a `Later`) has no bell of its own: the
sweeper (`infra.sweeper`) rings for all rows that are due and have no bell, every `sweep_every_s`. So it also rings for
rows whose bell was lost. Dramatiq's own retries are off. The first rows of `pull` and `warehouse` are made by
`infra.engine.accounts` when `workers.release` runs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import dramatiq

from domain.steps import Step
from infra.engine.local import LocalStep
from infra.engine.remote import RemoteStep
from infra.queue.keys import BellKey
from infra.telemetry.log import bound, get_logger

log = get_logger(__name__)

T_contra = TypeVar("T_contra", contravariant=True)


class Runner(Protocol):
    """Answers a message with one batch; returns how many subjects that had."""

    def run(self, key: BellKey) -> int: ...


class MessageHandler(Protocol):
    """The body of a declared actor: a function of a message and the step's runner."""

    __name__: str

    def __call__(self, message: BellKey, runner: Runner, /) -> None: ...


@dataclass(frozen=True, slots=True)
class StepActor(Generic[T_contra]):
    """A declared actor: its step, how the object that does its work is made from a process's tools, and its body."""

    step: Step
    make: Callable[[T_contra], LocalStep | RemoteStep]
    answer: MessageHandler

    @property
    def module(self) -> str:
        """The file that declares it, as Python names it."""
        return self.answer.__module__

    @property
    def name(self) -> str:
        """The decorated function's name."""
        return self.answer.__name__

    def bind(self, broker: dramatiq.Broker, runner: Runner, queue: str) -> "dramatiq.Actor[[str, str, bool], None]":
        """The Dramatiq actor of this step on a broker. Any number of brokers of one process may have one each."""
        return dramatiq.Actor(
            self._answerer(runner),
            broker=broker,
            actor_name=self.step.name,
            queue_name=queue,
            priority=0,
            options={"max_retries": 0},
        )

    def _answerer(self, runner: Runner) -> Callable[[str, str, bool], None]:
        def answer(lane: str, account: str, alone: bool) -> None:  # noqa: FBT001 - a message has positions, not names
            with bound(step=self.step.name, lane=lane, account=account or None):
                try:
                    self.answer(BellKey(self.step.name, lane, account, alone), runner)
                except Exception:
                    # A store is unreachable, or there is a defect; the sweeper rings again for work that is still due.
                    log.exception("bell_unanswered")

        return answer


def actor(
    step: Step, make: Callable[[T_contra], LocalStep | RemoteStep]
) -> Callable[[MessageHandler], StepActor[T_contra]]:
    """Declare the decorated function as the Dramatiq actor of a step, whose work is done by what `make` returns."""

    def declare(answer: MessageHandler) -> StepActor[T_contra]:
        return StepActor(step, make, answer)

    return declare
