"""What becomes of parcels that the courier was given: routes, as its route look-up shows them.

A parcel's way begins when the warehouse hands it over: collected, moved from hub to hub, out for delivery, delivered.
Some courier systems are nasty: they show events twice, in disorder, under codes that nobody knows, and late.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from sandbox.spec import CourierDelays
from sandbox.waybills import Waybill

_CST = timezone(timedelta(hours=8))
_UNKNOWN_CODE = "999"


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


@dataclass(slots=True)
class Parcels:
    """The ways of all parcels. `is_nasty`: repeats, disorder, unknown codes. `shows_late_s`: an event is shown so late.

    `fates`: what happens at the end of a parcel's way, by waybill number; *delivered* without one. `by_hand`: parcels
    have no way of their own, and only what `tell` was told of them is shown.
    """

    delays: CourierDelays
    is_nasty: bool = False
    shows_late_s: float = 0.0
    fates: dict[str, str] = field(default_factory=dict)
    by_hand: bool = False
    told: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def tell(self, number: str, what: str, at: float) -> None:
        """Show an event of a parcel (see `EVENTS`) that happened at `at` (unix seconds)."""
        self.told.setdefault(number, []).append(_entry(at, EVENTS[what]))

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
            for step in self._way(waybill.number)
            if begun + step.after_s + self.shows_late_s <= now
        ]
        return _spoilt(shown, waybill.number) if self.is_nasty else shown

    def _way(self, number: str) -> list[Step]:
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
                back = Step(at, "99", "2", "201", "应客户要求,快件正在退回中")
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
