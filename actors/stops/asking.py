"""Asks for stops: the order is on hold at once, and the first step of its stop is due.

Everything happens in the caller's transaction, which has locked the fulfillment orders.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from domain.errors import Facts
from domain.holds import HoldCode
from domain.order import Lane
from domain.outcomes import Done, Hold
from domain.states import FINAL_STATES, Cause, State, may
from domain.stops import StopAsker, StopCode, StopGoal, StopWish
from infra.engine.replay import go_on
from infra.engine.results import Failed, Finished, NewWork, Result, SubjectRef
from infra.engine.write_outcomes import Writes, add_hold, add_move, event, write
from infra.queue.keys import BellKey
from infra.tables.holds import open_holds, release_holds
from infra.tables.orders import Locked
from infra.tables.placements import want_documents_again
from infra.tables.pool import Connection
from infra.tables.shipments import want_again
from infra.tables.stops import (
    AskedStop,
    NewStop,
    ask_stops,
    open_stops,
    outdated_stops,
    rebuild_instead,
    stops_under_way,
    withdraw_stops,
)

# The step whose work and holds stops are.
STOPS = "stop"
_CAUSES = {StopAsker.PLATFORM: Cause.PLATFORM, StopAsker.RULE: Cause.RULES, StopAsker.PERSON: Cause.PERSON}


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequest:
    """A stop that somebody asks for. `shop`: account of the order's shop. `author`: a person, an account, or a step.

    `lines`: ids of the lines that are asked for; none: all. `is_outdated`: the address has changed since the label.
    `case_id`: of the case that asks. `until_at`: when whoever asks must have an answer. `facts`: for the timeline and
    the hold, no personal data.
    """

    locked: Locked
    shop: str
    asked_by: StopAsker
    author: str
    code: StopCode
    goal: StopGoal
    lines: tuple[str, ...] = ()
    is_outdated: bool = False
    case_id: str | None = None
    until_at: datetime | None = None
    facts: Facts = field(default_factory=dict)

    @classmethod
    def wished(cls, locked: Locked, shop: str, wish: StopWish) -> "StopRequest":
        """The stop that a newer content of the platform asks for."""
        return cls(
            locked=locked,
            shop=shop,
            asked_by=StopAsker.PLATFORM,
            author=shop,
            code=wish.code,
            goal=wish.goal,
            lines=wish.lines,
            is_outdated=wish.is_outdated,
        )

    def row(self) -> NewStop:
        return NewStop(
            fulfillment_order_id=self.locked.id,
            order_id=self.locked.order_id,
            asked_by=self.asked_by,
            author=self.author,
            code=self.code,
            goal=self.goal,
            lines=self.lines,
            is_outdated=self.is_outdated,
            case_id=self.case_id,
            until_at=self.until_at,
        )

    def hold(self) -> Hold:
        """The hold that keeps every other step away while the stop is open."""
        return Hold(HoldCode.STOPPING, {"why": self.code, "goal": self.goal, **self.facts})

    def opened(self, ref: SubjectRef, beside: Sequence[Hold] = ()) -> Finished:
        """The result of a step that has asked for it, with other holds."""
        follow = (stop_work(self.locked.id, self.locked.lane, self.shop),)
        return Finished(ref, self.hold(), Cause.PLATFORM, holds=tuple(beside), follow=follow)


def stop_work(fulfillment_order_id: int, lane: Lane, shop: str) -> NewWork:
    """The stop of a fulfillment order looks again at what it waits for."""
    return NewWork(STOPS, fulfillment_order_id, lane, shop=shop)


def follow_stops(tx: Connection, results: Sequence[Result], settled: Collection[int] = ()) -> list[Result]:
    """The same results, with the stop of each held order due that has an open one: something was settled of it.

    `settled`: subjects of which a call failed that surely had no effect. No statement where no result is of a held
    order.
    """
    held = {one.ref.fulfillment_order_id for one in results if _settles(one, settled)}
    shops = open_stops(tx, sorted(id_ for id_ in held if id_ is not None))
    return [_followed(one, shops) if _settles(one, settled) else one for one in results]


def _settles(result: Result, settled: Collection[int]) -> bool:
    """Whether something is known now that an open stop may have waited for.

    What is only put off is settled later. A call that failed and may have had an effect is asked about, or has a
    letter: its stop, looked at again, would only ask once more.
    """
    if result.ref.state is not State.ON_HOLD:
        return False
    if isinstance(result, Failed):
        return result.ref.subject_id in settled
    return isinstance(result.outcome, (Done, Hold))


def _followed(result: Result, shops: Mapping[int, str]) -> Result:
    id_ = result.ref.fulfillment_order_id
    if id_ is None or id_ not in shops:
        return result
    return replace(result, follow=(*result.follow, stop_work(id_, result.ref.lane, shops[id_])))


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


def withdraw(tx: Connection, locked: Sequence[Locked], shop: str, cause: Cause) -> set[BellKey]:
    """Nobody asks for the stops of these fulfillment orders any more; the bells to ring after the commit.

    An order of which nothing was asked outside goes on where it was. Otherwise what was asked for is completed, for a
    warehouse or a courier may do it at any moment, and the order is made anew. So is one whose label is outdated,
    wherever it is: its parcel must not reach the former address.
    """
    ids = sorted(open_stops(tx, [one.id for one in locked]))
    under_way = stops_under_way(tx, ids) if ids else set()
    inside = {one.id for one in locked if not one.has_left}
    outdated = outdated_stops(tx, ids) if ids else set()
    anew = sorted(under_way & inside | outdated)
    rest = [one for one in locked if one.id in ids and one.id not in anew]
    if anew:
        rebuild_instead(tx, anew)
    withdraw_stops(tx, [one.id for one in rest])
    want_again(tx, [one.id for one in rest])
    want_documents_again(tx, [one.id for one in rest])
    # A waybill that its courier did not cancel is wanted again.
    ended = (HoldCode.STOPPING, HoldCode.UNWANTED_WAYBILL)
    release_holds(tx, [(one.id, code) for one in rest for code in ended], STOPS)
    left = open_holds(tx, [one.id for one in rest]) if rest else {}
    writes = Writes()
    bells: set[BellKey] = set()
    for one in locked:
        ref = SubjectRef(one.id, one.lane, one.order_id, one.id, None, one.state)
        if one.id in ids:
            facts = {"goes_on": "anew" if one.id in anew else "as it was"}
            writes.events.append(event(STOPS, ref, "stop_withdrawn", cause, facts=facts))
    writes.added.extend(stop_work(one.id, one.lane, shop) for one in locked if one.id in anew)
    write(tx, STOPS, writes)
    for one in rest:
        if one.state is State.ON_HOLD and not left.get(one.id):
            bells |= go_on(tx, one, STOPS, cause, {"withdrawn": True})
    return bells | {BellKey(work.step, work.lane, work.account) for work in writes.added}
