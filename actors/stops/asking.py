"""Asks for stops: the order is on hold at once, and the first step of its stop is due.

Everything happens in the caller's transaction, which has locked the fulfillment orders.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from domain.errors import Facts
from domain.holds import HoldCode
from domain.order import Lane
from domain.outcomes import Hold
from domain.states import FINAL_STATES, Cause, State, may
from domain.stops import StopAsker, StopCode, StopGoal
from infra.engine.results import Finished, NewWork, SubjectRef
from infra.engine.write_outcomes import Writes, add_hold, add_move, event, write
from infra.queue.keys import BellKey
from infra.tables.orders import Locked
from infra.tables.pool import Connection
from infra.tables.stops import AskedStop, NewStop, ask_stops

# The step whose work and holds stops are.
STOPS = "stop"
_CAUSES = {StopAsker.PLATFORM: Cause.PLATFORM, StopAsker.RULE: Cause.RULES, StopAsker.PERSON: Cause.PERSON}


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequest:
    """A stop that somebody asks for. `shop`: account of the order's shop. `author`: a person, an account, or a step.

    `lines`: ids of the lines that are asked for; none: all. `case_id`: of the case that asks. `until_at`: when whoever
    asks must have an answer. `facts`: for the timeline and the hold, no personal data.
    """

    locked: Locked
    shop: str
    asked_by: StopAsker
    author: str
    code: StopCode
    goal: StopGoal
    lines: tuple[str, ...] = ()
    case_id: str | None = None
    until_at: datetime | None = None
    facts: Facts = field(default_factory=dict)

    def row(self) -> NewStop:
        return NewStop(
            fulfillment_order_id=self.locked.id,
            order_id=self.locked.order_id,
            asked_by=self.asked_by,
            author=self.author,
            code=self.code,
            goal=self.goal,
            lines=self.lines,
            case_id=self.case_id,
            until_at=self.until_at,
        )

    def hold(self) -> Hold:
        """The hold that keeps every other step away while the stop is open."""
        return Hold(HoldCode.STOPPING, {"why": self.code, "goal": self.goal, **self.facts})


def stop_work(fulfillment_order_id: int, lane: Lane, shop: str) -> NewWork:
    """The stop of a fulfillment order looks again at what it waits for."""
    return NewWork(STOPS, fulfillment_order_id, lane, shop=shop)


def ask(tx: Connection, requests: Sequence[StopRequest]) -> tuple[dict[int, AskedStop], set[BellKey]]:
    """Ask for stops; the open stop of each fulfillment order, and the bells to ring after the commit.

    What has ended is left out. What has not left the house is put on hold. A stop that is open already is joined.
    """
    wanted = [one for one in requests if one.locked.state not in FINAL_STATES]
    asked = ask_stops(tx, [one.row() for one in wanted])
    writes = Writes()
    for one in wanted:
        locked = one.locked
        ref = SubjectRef(locked.id, locked.lane, locked.order_id, locked.id, None, locked.state)
        cause = _CAUSES[one.asked_by]
        facts = {"why": one.code, "goal": one.goal, "by": one.author, **one.facts}
        if one.lines:
            facts["lines"] = ",".join(one.lines)
        writes.events.append(event(STOPS, ref, "stop_asked", cause, facts=facts))
        if not locked.has_left and locked.state is not State.PENDING_PAYMENT:
            add_hold(STOPS, ref, one.hold(), writes)
            if may(locked.state, State.ON_HOLD, cause):
                hold = Finished(ref, one.hold(), cause)
                add_move(STOPS, hold, (State.ON_HOLD,), writes, facts={"code": HoldCode.STOPPING})
        writes.added.append(stop_work(locked.id, locked.lane, one.shop))
    write(tx, STOPS, writes)
    return asked, {BellKey(work.step, work.lane, work.account) for work in writes.added}
