"""What happens to trades on the way, by their scene: it begins after a trade was first read whole.

Nothing happens to a line that has been shipped or closed by then.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from heapq import heappop, heappush
from itertools import count

from sandbox.model import Scene, Ships
from sandbox.spec import Scenes
from sandbox.tradebook import Tradebook
from sandbox.trades import REFUND_ASKED, REFUND_WITHDRAWN, Sender, Shipment, Trade

# The platform's warehouse and the shop's own machine for virtual goods take this much longer than a buyer's thought.
_DELIVERY_TIMES = 2.0
_ZTO = ("ZTO", "中通快递")
_SF = ("SF", "顺丰速运")


class Act(StrEnum):
    """One thing that happens to lines of a trade."""

    ASK = "ask"
    WITHDRAW = "withdraw"
    PAY = "pay"
    SHIP_BY_HAND = "ship_by_hand"
    PLATFORM_SHIPS = "platform_ships"
    HAND_OUT = "hand_out"


_ASKED = {Act.WITHDRAW, Act.PAY}
_ANSWERS = {Scene.REFUND_WITHDRAWN: Act.WITHDRAW, Scene.REFUND_PAID: Act.PAY, Scene.REFUND_ALL: Act.PAY}
_DEEDS = {
    Scene.SHIPPED_BY_HAND: Act.SHIP_BY_HAND,
    Scene.PLATFORM_SHIPS: Act.PLATFORM_SHIPS,
    Scene.DELIVERED: Act.HAND_OUT,
}
_SHIPPED_BY = {Act.PLATFORM_SHIPS: Ships.PLATFORM, Act.HAND_OUT: Ships.NOBODY}


@dataclass(frozen=True, slots=True, order=True)
class _Due:
    at: float
    ticket: int
    tid: int
    act: Act
    line_ids: tuple[int, ...]


class Happenings:
    """Plays the scenes. `done`: how often something happened; `last_at`: when last (unix seconds, 0 for never)."""

    def __init__(self, book: Tradebook, scenes: Scenes) -> None:
        self.book = book
        self._scenes = scenes
        self._due: list[_Due] = []
        self._begun: set[int] = set()
        self._ticket = count()
        self.last_at = 0.0
        self.done = 0

    @property
    def to_come(self) -> int:
        """How much is about to happen to trades that have been read."""
        return len(self._due)

    def was_read(self, trade: Trade, now: float) -> None:
        """The trade was shown whole: if it is the first time, its scene begins."""
        if trade.order.scene is None or trade.order.tid in self._begun:
            return
        self._begun.add(trade.order.tid)
        for at, act, line_ids in self._script(trade, trade.order.scene, now):
            heappush(self._due, _Due(at, next(self._ticket), trade.order.tid, act, line_ids))

    def advance(self, now: float) -> None:
        """Let happen what is due by `now`."""
        while self._due and self._due[0].at <= now:
            due = heappop(self._due)
            trade = self.book.trades[due.tid]
            if self._happen(trade, due):
                self.book.touch(trade, due.at)
                self.last_at = max(self.last_at, due.at)
                self.done += 1

    def _script(self, trade: Trade, scene: Scene, now: float) -> Iterator[tuple[float, Act, tuple[int, ...]]]:
        draw = random.Random(trade.order.seed + 2)
        at = now + draw.random() * 2 * self._scenes.after_s
        if scene in _DEEDS:
            act = _DEEDS[scene]
            if act in _SHIPPED_BY:
                line_ids = tuple(oid for oid, line in trade.lines if line.ships is _SHIPPED_BY[act])
                yield now + _DELIVERY_TIMES * (at - now), act, line_ids
            else:
                yield at, act, (trade.line_ids[trade.order.scene_line],)
            return
        line_ids = trade.line_ids if scene is Scene.REFUND_ALL else (trade.line_ids[trade.order.scene_line],)
        yield at, Act.ASK, line_ids
        yield at + self._scenes.answered_s, _ANSWERS[scene], line_ids

    def _happen(self, trade: Trade, due: _Due) -> bool:
        """Whether it could still happen."""
        asked = {oid for oid in due.line_ids if trade.refunds.get(oid) == REFUND_ASKED}
        if not (asked if due.act in _ASKED else set(due.line_ids) <= set(trade.waiting())):
            return False
        match due.act:
            case Act.ASK:
                trade.refunds.update(dict.fromkeys(due.line_ids, REFUND_ASKED))
            case Act.WITHDRAW:
                trade.refunds.update(dict.fromkeys(asked, REFUND_WITHDRAWN))
            case Act.PAY:
                trade.close(tuple(asked), due.at)
            case Act.SHIP_BY_HAND:
                trade.ship(due.line_ids, foreign_shipment(trade, due.at))
            case Act.PLATFORM_SHIPS:
                trade.ship(due.line_ids, foreign_shipment(trade, due.at, Sender.PLATFORM))
            case Act.HAND_OUT:
                trade.ship(due.line_ids, Shipment("", "", "", int(due.at), Sender.NOBODY))
        return True


def foreign_shipment(trade: Trade, at: float, by: Sender = Sender.HAND) -> Shipment:
    """With a number of another courier account: of another courier, or of our courier's other partners."""
    number = trade.order.seed % 10**11
    if trade.order.seed % 2:
        return Shipment(*_ZTO, f"7{number:011d}9", int(at), by)
    return Shipment(*_SF, f"SF9{number:011d}9", int(at), by)
