"""stop: where the goods of a stopped order are, what that needs next, and how the stop ends."""

from collections.abc import Sequence
from dataclasses import dataclass

from actors.tools import Tools
from domain.outcomes import Done
from domain.steps import Step, Subject
from infra.engine.actor import Runner, actor
from infra.engine.results import Finished, Result, SubjectRef
from infra.queue.keys import BellKey
from infra.tables.orders import lock_fulfillment
from infra.tables.pool import Connection

STEP = Step(
    name="stop",
    does="keep an order from leaving: find out where its goods are, and what that needs next",
    subject=Subject.FULFILLMENT_ORDER,
    leads_to=("intercept",),
    group="order",
)


@dataclass(frozen=True, slots=True)
class StopStep:
    """Looks at one stop after the other."""

    tools: Tools
    step: str = STEP.name

    def work(self, tx: Connection, subject_ids: Sequence[int]) -> Sequence[Result]:
        return [
            Finished(SubjectRef(one.id, one.lane, one.order_id, one.id, None, one.state), Done())
            for one in lock_fulfillment(tx, subject_ids)
        ]


@actor(STEP, StopStep)
def stop(message: BellKey, runner: Runner) -> None:
    """The Dramatiq actor of this step; `infra.engine.actor` tells how a message becomes work."""
    runner.run(message)
