"""What becomes of parcels that the courier was given: routes, as its route look-up shows them.

A parcel's way begins when the warehouse hands it over: collected, moved from hub to hub, out for delivery, delivered.
Some courier systems are nasty: they show events twice, in disorder, under codes that nobody knows, and late.

A parcel can be intercepted from its collection until its delivery. That an interception is taken says nothing yet: the
parcel turns back, goes on to its receiver, or is not heard of any more.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any

from sandbox.spec import CourierDelays
from sandbox.waybills import Waybill

_CST = timezone(timedelta(hours=8))
_UNKNOWN_CODE = "999"
_TURNED, _SIGNED = "99", frozenset({"80", "8000"})


@dataclass(frozen=True, slots=True)
class Step:
    """A route entry; `after_s` the hand-over. The text names a person, as such texts do."""

    after_s: float
    code: str
    first: str
    secondary: str
    text: str


EVENTS: Mapping[str, Step] = {
    "collected": Step(0, "50", "1", "101", "顺丰速运 已收取快件"),
    "departed": Step(0, "30", "2", "201", "快件在【转运中心】完成分拣,准备发往下一站"),
    "out": Step(0, "204", "3", "301", "正在派送途中"),
    "failed": Step(0, "33", "3", "303", "派送不成功"),
    "locker": Step(0, "80", "4", "401", "快件已存放至顺丰自助柜,请凭取件码领取"),
    "signed": Step(0, "80", "4", "401", "您的快件已签收"),
    "returning": Step(0, "99", "2", "201", "应客户要求,快件正在退回中"),
    "odd": Step(0, "998", "9", "901", ""),
}
"""What `Parcels.tell` may be told, by name."""


class Intercepts(StrEnum):
    """What becomes of an interception that was taken: the parcel turns back, goes on, or nothing more is told of it."""

    WORKS = "works"
    FAILS = "fails"
    SILENT = "silent"


class CannotIntercept(StrEnum):
    """Why a courier does not take an interception."""

    NOT_COLLECTED = "not_collected"
    DELIVERED = "delivered"
    REPEATED = "repeated"


@dataclass(slots=True)
class Parcels:
    """The ways of all parcels. `is_nasty`: repeats, disorder, unknown codes. `shows_late_s`: an event is shown so late.

    `fates`: what happens at the end of a parcel's way, by waybill number; *delivered* without one. `by_hand`: parcels
    have no way of their own, and only what `tell` was told of them is shown. `intercepts`: what becomes of
    interceptions from now on. `taken`: those that were taken, by waybill number: when, and what becomes.
    """

    delays: CourierDelays
    is_nasty: bool = False
    shows_late_s: float = 0.0
    fates: dict[str, str] = field(default_factory=dict)
    by_hand: bool = False
    told: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    intercepts: Intercepts = Intercepts.WORKS
    taken: dict[str, tuple[float, Intercepts]] = field(default_factory=dict)

    def tell(self, number: str, what: str, at: float) -> None:
        """Show an event of a parcel (see `EVENTS`) that happened at `at` (unix seconds)."""
        self.told.setdefault(number, []).append(_entry(at, EVENTS[what]))

    def intercept(self, waybill: Waybill, now: float) -> CannotIntercept | None:
        """Take an interception, or say why not. A failed interception may be followed by another one."""
        begun = waybill.collected_at
        if begun is None or begun + self.delays.collected_s > now:
            return CannotIntercept.NOT_COLLECTED
        if self._is_delivered(waybill.number, now - begun):
            return CannotIntercept.DELIVERED
        if self.taken.get(waybill.number, (0.0, Intercepts.FAILS))[1] is not Intercepts.FAILS:
            return CannotIntercept.REPEATED
        self.taken[waybill.number] = (now, self.intercepts)
        return None

    def _is_delivered(self, number: str, age_s: float) -> bool:
        return any(step.code in _SIGNED and step.after_s <= age_s for step in self._usual_way(number))

    def came_back_at(self, waybill: Waybill) -> float | None:
        """When a parcel that is brought back is with its sender (unix seconds); None for any other."""
        if waybill.collected_at is None:
            return None
        way = self._way(waybill)
        turned = next((step for step in way if step.code == _TURNED), None)
        return None if turned is None else waybill.collected_at + way[-1].after_s

    def routes(self, waybill: Waybill, now: float) -> list[dict[str, Any]]:
        """The entries that are shown at `now` (unix seconds); none before the hand-over."""
        if self.by_hand:
            told = self.told.get(waybill.number, [])
            return _spoilt(told, waybill.number) if self.is_nasty else told
        if waybill.collected_at is None:
            return []
        begun = waybill.collected_at
        shown = [
            _entry(begun + step.after_s, step)
            for step in self._way(waybill)
            if begun + step.after_s + self.shows_late_s <= now
        ]
        return _spoilt(shown, waybill.number) if self.is_nasty else shown

    def _way(self, waybill: Waybill) -> list[Step]:
        way = self._usual_way(waybill.number)
        taken_at, becomes = self.taken.get(waybill.number, (0.0, Intercepts.FAILS))
        if becomes is Intercepts.FAILS or waybill.collected_at is None:
            return way
        after_s = taken_at - waybill.collected_at
        gone = [step for step in way if step.after_s <= after_s]
        if becomes is Intercepts.SILENT:
            return gone
        back = Step(after_s + self.delays.turned_s, _TURNED, "2", "201", "应寄件人要求,快件正在退回中")
        return [*gone, back, Step(back.after_s + self.delays.returned_s, "80", "4", "401", "已签收")]

    def _usual_way(self, number: str) -> list[Step]:
        delays = self.delays
        way = [
            Step(delays.collected_s, "50", "1", "101", "顺丰速运 已收取快件"),
            Step(delays.departed_s, "30", "2", "201", "快件在【转运中心】完成分拣,准备发往下一站"),
            Step(delays.out_s, "204", "3", "301", "正在派送途中,请您准备签收(派件人:王小五,电话:13700000000)"),
        ]
        at = delays.delivered_s
        match self.fates.get(number, "delivered"):
            case "locker":
                return [*way, Step(at, "80", "4", "401", "快件已存放至顺丰自助柜,请凭取件码领取")]
            case "returned":
                back = Step(at, _TURNED, "2", "201", "应客户要求,快件正在退回中")
                return [*way, back, Step(at + 1, "80", "4", "401", "已签收")]
            case "nowhere":
                return []
            case _:
                signed = "您的快件已签收,签收人:张三"
                return [*way, Step(at, "80", "4", "401", signed), Step(at, "8000", "4", "401", signed)]


def _entry(at: float, step: Step) -> dict[str, Any]:
    return {
        "acceptTime": datetime.fromtimestamp(at, tz=UTC).astimezone(_CST).strftime("%Y-%m-%d %H:%M:%S"),
        "acceptAddress": "",
        "remark": step.text,
        "opCode": step.code,
        "firstStatusCode": step.first,
        "secondaryStatusCode": step.secondary,
        "secondaryStatusName": "",
    }


def _spoilt(shown: list[dict[str, Any]], number: str) -> list[dict[str, Any]]:
    """The same entries twice, with one that nobody knows, in an order that follows from the number."""
    odd = [{**shown[0], "opCode": _UNKNOWN_CODE}] if shown else []
    mixed = [*shown, *shown, *odd]
    random.Random(number).shuffle(mixed)
    return mixed
