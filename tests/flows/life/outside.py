"""What warehouses that take orders, and the courier on the way to the door, do in a life."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from adapters.china_time import CST
from adapters.ports import Courier, Tracked, TrackEvent
from domain.tracking import COMPLETED_AFTER, ParcelKind
from sandbox.documents import Document
from sandbox.floor import Works
from sandbox.spec import Floor
from sandbox.warehouse import Scan
from sandbox.waybills import Waybill
from sandbox.world import World

DAY_S = COMPLETED_AFTER.total_seconds()
# A route push names a loss by this code and reason.
LOST_CODE = "8000+6"


class Floors:
    """The people of the warehouses: they work on the documents that they were given, and on nothing else."""

    def __init__(self, world: World) -> None:
        self.world = world

    def takes_orders(self, location: str) -> bool:
        return self.world.warehouses.works[location].floor.learns_from == "orders"

    def documents(self) -> Iterator[tuple[Works, Document]]:
        """All documents ever placed, each with the floor that works on it."""
        warehouses = self.world.warehouses
        for name, book in warehouses.books.items():
            for document in book.all:
                yield warehouses.works[name], document

    def work(self, which: int, how: str, now: float) -> None:
        """The next work on a document; or it is refused, picked short, or dropped without a word from us."""
        open_ = [one for one in self.documents() if not one[1].is_over and one[1].state != "handed_over"]
        if not open_:
            return
        works, document = open_[which % len(open_)]
        if how == "drop":
            works.drop(document, now)
            return
        usual = works.floor
        works.floor = msgspec.structs.replace(
            usual, refuses_late=float(how == "refuse"), picks_short=float(how == "short")
        )
        works.carry_on(document, now)
        works.floor = usual

    def lose_answers(self, which: int, what: str) -> None:
        """The next call about a document is carried out, or is not, and is not answered."""
        warehouses = self.world.warehouses
        counts = warehouses.lose_answers if what == "lose" else warehouses.drop_calls
        names = sorted(warehouses.works)
        counts[names[which % len(names)]] = 1

    def finish(self, now: float) -> None:
        """Everything that lies in the warehouses is worked off; nobody makes trouble any more."""
        warehouses = self.world.warehouses
        warehouses.lose_answers.clear()
        warehouses.drop_calls.clear()
        for works in warehouses.works.values():
            works.floor = msgspec.structs.replace(works.floor, refuses=0.0, forgets=0.0)
        for works, document in self.documents():
            if document.state == "taken" and not works.carry_on(document, now):
                works.begin(document, now)
            while works.carry_on(document, now):
                pass

    def scan_other_number(self, waybill: Waybill, kind: str, now: float) -> None:
        """The warehouse scans a package, and reads a number from it that is not ours."""
        scans = self.world.warehouses.scans[waybill.booking.location]
        event_id = f"{waybill.booking.location}-other-{len(scans) + 1}"
        scans.append(Scan(event_id, kind, waybill.booking.reference, f"{waybill.number}9", now))


class Parcels:
    """What the courier tells of parcels that have left. `lost`: by number, when it said that a parcel was lost."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.lost: dict[str, datetime] = {}
        self._told_at: set[tuple[str, int]] = set()

    def left(self) -> list[Waybill]:
        return [one for one in self.world.waybills.by_number.values() if one.collected_at is not None]

    def tell(self, which: int, what: str, age_s: float, now: float) -> None:
        """The courier tells of a parcel; it may tell late, so that an earlier event comes after a later one.

        One event in a second: a locker and a signing have one code, and a second of one code is one event.
        """
        left = self.left()
        if not left:
            return
        parcel = left[which % len(left)]
        at = max(parcel.collected_at or now, now - age_s)
        while (parcel.number, int(at)) in self._told_at:
            at += 1
        self._told_at.add((parcel.number, int(at)))
        if what == "lost":
            self.lost.setdefault(parcel.number, datetime.fromtimestamp(int(at), tz=CST))
        else:
            self.world.courier.parcels.tell(parcel.number, what, at)

    def signed_at(self, number: str) -> float | None:
        """When the courier first said that the parcel was signed for (unix seconds); None: it has not."""
        waybill, parcels = self.world.waybills.by_number[number], self.world.courier.parcels
        if not parcels.by_hand:
            if waybill.collected_at is None:
                return None
            return float(int(waybill.collected_at + parcels.delays.delivered_s))
        told = [one for one in parcels.told.get(number, ()) if one["opCode"] == "80" and "自助柜" not in one["remark"]]
        moments = [datetime.strptime(one["acceptTime"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=CST) for one in told]
        return min(moment.timestamp() for moment in moments) if moments else None

    def last_signed_at(self) -> float | None:
        signed = [self.signed_at(one.number) for one in self.left()]
        return max((moment for moment in signed if moment is not None), default=None)


class PushingCourier:
    """A courier that also pushes what a look-up never says: that a parcel is lost."""

    def __init__(self, port: Courier, parcels: Parcels) -> None:
        self._port = port
        self._parcels = parcels

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)

    async def track(self, tracked: list[Tracked]) -> dict[str, Any]:
        answer = await self._port.track(tracked)
        return {number: self._with_pushed(number, events) for number, events in answer.items()}

    def _with_pushed(self, number: str, events: Any) -> Any:
        lost_at = self._parcels.lost.get(number)
        if lost_at is None or not isinstance(events, tuple):
            return events
        return (*events, TrackEvent(LOST_CODE, ParcelKind.LOST, lost_at, ""))


def floor_of(**given: Any) -> Floor:
    """A warehouse that takes orders."""
    return Floor(learns_from="orders", **given)
