"""warehouse: read a location's scans and walk the fulfillment orders forward, never back."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import psycopg

from actors.tools import Tools
from adapters.foreign import is_waybill
from adapters.ports import EventPage, WarehouseEvent
from adapters.rejection import Rejected
from domain.errors import FulfilmentError
from domain.holds import HoldCode
from domain.order import Lane
from domain.outcomes import Done, Hold, Later
from domain.states import Cause, State, Step
from domain.warehouse import Contradiction, Late, Move, Scan, advance, names_other_waybill
from infra.engine.outer import Intended, Lease
from infra.engine.results import NewWork, Place, Result, Settled
from infra.engine.write_outcomes import Writes, add_hold, event, gather, write
from infra.queue.keys import BellKey
from infra.tables.locations import advance_feed, load_locations, note_feeds_read
from infra.tables.notices import NewNotice, want_notices
from infra.tables.packages import Stamp, lock_scanned, stamp_packages
from infra.tables.pool import Connection
from infra.tables.scans import EarlyScan, drop_early_scans, keep_early_scans, store_page, take_early_scans
from infra.tables.stock import consume_stock
from infra.tables.unreadable import Entry, Source, note_unreadable
from infra.tables.writebacks import NewWriteback, want_writebacks
from infra.telemetry.log import get_logger

STEP = Step.WAREHOUSE
SHIPPED = "package.shipped"

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Feed:
    """A location and how far its events were read."""

    place: Place
    location: str
    cursor: str


@dataclass(slots=True)
class Scanned:
    """A package and what this page says of it. `other_waybill`: a number that a scan names instead of `waybill`."""

    place: Place
    shop: str
    waybill: str
    now: State
    path: list[State] = field(default_factory=list)
    packed_at: str | None = None
    handed_over_at: str | None = None
    contradiction: Contradiction | None = None
    other_waybill: str = ""


@dataclass(frozen=True, slots=True)
class Unapplied:
    """A scan that could be read, and the kind of error that applying it raised."""

    scan: WarehouseEvent
    error: str


class Apply(Protocol):
    """Applies scans and returns the bells to ring; it may add to `unapplied` what it could not apply."""

    def __call__(
        self, tx: Connection, location: str, events: Sequence[WarehouseEvent], unapplied: list[Unapplied], /
    ) -> set[BellKey]: ...


@dataclass(frozen=True, slots=True)
class ReadScans:
    """Reads pages until none is left; each page is stored raw and applied in one transaction."""

    tools: Tools
    step: Step = STEP

    @property
    def call_s(self) -> float:
        return self.tools.settings.door.total_s

    def intend(self, tx: Connection, subject_ids: Sequence[int]) -> Intended[Feed]:
        rows = load_locations(tx, subject_ids)
        known = self.tools.directory.locations
        return Intended([Feed(Place(id_, Lane.P1), name, cursor) for id_, name, cursor in rows if name in known])

    async def call(self, intents: Sequence[Feed], lease: Lease) -> Mapping[int, Any]:
        answers: dict[int, Any] = {}
        for feed in intents:
            try:
                answers[feed.place.subject_id] = await self._read(feed, lease)
            except Exception as error:  # noqa: BLE001 - whatever one feed raises is that feed's own answer
                answers[feed.place.subject_id] = error
        return answers

    async def _read(self, feed: Feed, lease: Lease) -> int:
        warehouse = self.tools.warehouse(feed.location)
        cursor, read = feed.cursor, 0
        await asyncio.to_thread(self._look_again, feed)
        while not lease.is_draining() and self.tools.clock.monotonic() < lease.ends_at - self.call_s:
            page = await warehouse.events(cursor)
            if page.cursor != cursor:
                await asyncio.to_thread(self._store, feed, cursor, page)
            read += len(page.events)
            cursor = page.cursor
            if not page.has_more:
                break
        return read

    def _store(self, feed: Feed, after: str, page: EventPage) -> None:
        try:
            bells = self._store_page(feed, after, page, self._apply)
        except psycopg.OperationalError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever one scan raises is its own fault
            log.warning("page_unapplied", location=feed.location, error=type(error).__name__)
            bells = self._store_page(feed, after, page, self._apply_apart)
        self.tools.bells.ring(bells)

    def _store_page(self, feed: Feed, after: str, page: EventPage, apply: Apply) -> set[BellKey]:
        with self.tools.db.transaction() as tx:
            if not advance_feed(tx, feed.place.subject_id, after=after, cursor=page.cursor, size=len(page.body)):
                return set()
            stored = store_page(tx, feed.location, after, page.body, self.tools.settings.retention.pages_max_bytes)
            if page.rejected:
                self._note(tx, feed.location, [_entry(one) for one in page.rejected], stored)
            unapplied: list[Unapplied] = []
            bells = apply(tx, feed.location, page.events, unapplied)
            if unapplied:
                self._note(tx, feed.location, _unapplied_entries(page, unapplied), stored)
        return bells

    def _note(self, tx: Connection, location: str, entries: Sequence[Entry], page_id: int | None = None) -> None:
        account = self.tools.directory.location(location).account
        couriers = sorted(self.tools.directory.courier_names)
        note_unreadable(tx, Source.SCAN, account, entries, page_id=page_id, couriers=couriers)
        log.error("scans_unreadable", location=location, count=len(entries))

    def _look_again(self, feed: Feed) -> None:
        """Scans that overtook the record of their label may be understood by now."""
        try:
            bells = self._look_again_with(feed, self._apply)
        except psycopg.OperationalError:
            raise
        except Exception as error:  # noqa: BLE001 - as above: one scan stops no other
            log.warning("early_scans_unapplied", location=feed.location, error=type(error).__name__)
            bells = self._look_again_with(feed, self._apply_apart)
        self.tools.bells.ring(bells)

    def _look_again_with(self, feed: Feed, apply: Apply) -> set[BellKey]:
        with self.tools.db.transaction() as tx:
            early = [WarehouseEvent(*scan) for scan in take_early_scans(tx, feed.location)]
            if not early:
                return set()
            unapplied: list[Unapplied] = []
            bells = apply(tx, feed.location, early, unapplied)
            if unapplied:
                self._note(tx, feed.location, [_unapplied_entry(0, one) for one in unapplied])
                _drop_early(tx, feed.location, [one.scan for one in unapplied])
        return bells

    def _apply_apart(
        self, tx: Connection, location: str, events: Sequence[WarehouseEvent], unapplied: list[Unapplied]
    ) -> set[BellKey]:
        """One scan after the other; what one raises takes back its own writes only."""
        bells: set[BellKey] = set()
        for scan in events:
            try:
                with tx.transaction():
                    bells |= self._apply(tx, location, [scan], unapplied)
            except psycopg.OperationalError:
                raise
            except Exception as error:  # noqa: BLE001 - alone now, so the error is this scan's
                unapplied.append(Unapplied(scan, type(error).__name__))
        return bells

    def _apply(
        self, tx: Connection, location: str, events: Sequence[WarehouseEvent], _unapplied: list[Unapplied]
    ) -> set[BellKey]:
        scanned = _load(tx, events)
        waiting = [scan for scan in events if not _is_understood(scanned.get(scan.reference), scan)]
        _sort_out_early(tx, location, events, waiting, self.tools.settings.retention.early_scans_max)
        touched = list(scanned.values())
        _stamp(tx, touched)
        left = [one for one in touched if one.handed_over_at]
        consume_stock(tx, [one.place.fulfillment_order_id for one in left if one.place.fulfillment_order_id])
        follow = self._follow(tx, touched)
        writes = Writes()
        for one in touched:
            _settle(one, follow.get(one.place.subject_id, ()), writes)
        writes.finished.clear()
        write(tx, STEP, writes)
        return {BellKey(work.step, work.lane, work.account) for work in writes.added}

    def _follow(self, tx: Connection, touched: Sequence[Scanned]) -> dict[int, tuple[NewWork, ...]]:
        """Write-backs at the moment each shop wants them, and notices for what left the house."""
        shops = self.tools.directory.shops
        ship_on = {one.shop: shops[one.shop].ship_on for one in touched if one.shop in shops}
        told = [
            (one, one.packed_at if ship_on.get(one.shop) == "packed" else one.handed_over_at)
            for one in touched
            if ship_on.get(one.shop) != "label"
        ]
        writebacks = [(one, at) for one, at in told if at]
        work: dict[int, tuple[NewWork, ...]] = {}
        want_writebacks(tx, [NewWriteback(one.place.subject_id, one.place.order_id, at) for one, at in writebacks])
        for one, _ in writebacks:
            work[one.place.subject_id] = (NewWork(Step.WRITEBACK, one.place.subject_id, one.place.lane, one.shop),)
        for one, notice_id, channel in self._want_notices(tx, [one for one in touched if one.handed_over_at]):
            work[one.place.subject_id] = (
                *work.get(one.place.subject_id, ()),
                NewWork(Step.NOTIFY, notice_id, one.place.lane, channel, one.shop),
            )
        return work

    def _want_notices(self, tx: Connection, left: Sequence[Scanned]) -> list[tuple[Scanned, int, str]]:
        notices = [
            NewNotice(one.place.subject_id, SHIPPED, channel.account, one.handed_over_at)
            for one in left
            for channel in self.tools.directory.channels.values()
        ]
        by_package = {one.place.subject_id: one for one in left}
        return [(by_package[one.package_id], one.id, one.channel) for one in want_notices(tx, notices)]

    def record(self, tx: Connection, answered: Sequence[tuple[Feed, Any]]) -> Sequence[Result]:
        """Pages were stored as they came: what is left is when to read again."""
        read = [feed.place.subject_id for feed, answer in answered if not isinstance(answer, Exception)]
        note_feeds_read(tx, read)
        results: list[Result] = []
        for feed, answer in answered:
            pause = self.tools.directory.location(feed.location).poll_every_s
            if isinstance(answer, Exception):
                # A feed is never given up: it is asked again at its pace, and the log says why.
                log.warning("feed_unread", location=feed.location, error=_told(answer))
            results.append(Settled(feed.place, Later("next_poll", after_s=pause)))
        return results


def _told(error: Exception) -> str:
    """A foreign text may quote what it is about."""
    return str(error) if isinstance(error, FulfilmentError) else type(error).__name__


def _entry(rejected: Rejected) -> Entry:
    return Entry(rejected.position, rejected.code, rejected.field, rejected.key, rejected.waybill)


def _unapplied_entry(position: int, one: Unapplied) -> Entry:
    return Entry(position, one.error, "", one.scan.reference, one.scan.waybill)


def _unapplied_entries(page: EventPage, unapplied: Sequence[Unapplied]) -> list[Entry]:
    """With their places on the page, where the rejected entries have theirs."""
    taken = {rejected.position for rejected in page.rejected}
    free = (position for position in range(len(page.events) + len(taken)) if position not in taken)
    positions = {scan.event_id: position for scan, position in zip(page.events, free, strict=True)}
    return [_unapplied_entry(positions[one.scan.event_id], one) for one in unapplied]


def _load(tx: Connection, events: Sequence[WarehouseEvent]) -> dict[str, Scanned]:
    references = sorted({scan.reference for scan in events})
    found: dict[str, Scanned] = {}
    for row in lock_scanned(tx, references):
        place = Place(row.package_id, row.lane, row.order_id, row.fulfillment_order_id, row.package_id, row.state)
        found[row.reference] = Scanned(place, row.shop, row.waybill, row.state)
    return found


def _sort_out_early(
    tx: Connection, location: str, events: Sequence[WarehouseEvent], waiting: Sequence[WarehouseEvent], most: int
) -> None:
    """Keep the scans that must wait, for their label's record or for a hold's end; drop those understood now.

    `most`: scans of nobody's package that are kept.
    """
    early = [EarlyScan(scan.event_id, scan.reference, scan.waybill, scan.kind, scan.at) for scan in waiting]
    keep_early_scans(tx, location, early, most)
    kept = {scan.event_id for scan in waiting}
    _drop_early(tx, location, [scan for scan in events if scan.event_id not in kept])


def _drop_early(tx: Connection, location: str, scans: Sequence[WarehouseEvent]) -> None:
    drop_early_scans(tx, location, [scan.event_id for scan in scans])


def _is_understood(one: Scanned | None, scan: WarehouseEvent) -> bool:
    """Take one scan in. False: it must be looked at again, once the label is recorded or the hold is over."""
    if one is None:
        return False
    if names_other_waybill(one.waybill, scan.waybill):
        # Whatever was scanned does not travel under our number: the state stays, and nobody is told.
        one.other_waybill = scan.waybill
        return True
    kind = Scan(scan.kind)
    answer = advance(one.now, kind)
    match answer:
        case Move(path=path):
            one.path.extend(path)
            one.now = path[-1]
        case Contradiction():
            one.contradiction = answer
            return one.now is not State.ON_HOLD
        case Late():
            pass
    if kind is Scan.PACKED:
        one.packed_at = one.packed_at or scan.at.isoformat()
    if kind is Scan.HANDED_OVER:
        one.handed_over_at = one.handed_over_at or scan.at.isoformat()
        one.packed_at = one.packed_at or scan.at.isoformat()
    return True


def _stamp(tx: Connection, touched: Sequence[Scanned]) -> None:
    stamps = [Stamp(one.place.subject_id, one.packed_at, one.handed_over_at) for one in touched if one.packed_at]
    stamp_packages(tx, stamps)


def _settle(one: Scanned, follow: tuple[NewWork, ...], writes: Writes) -> None:
    if one.other_waybill:
        # A text that is no waybill number may hold personal data: it is kept in the stored page only.
        shown = one.other_waybill if is_waybill(one.other_waybill) else "not a waybill number"
        facts = {"waybill": one.waybill, "scanned": shown}
        add_hold(STEP, one.place, Hold(HoldCode.WAYBILL_CONTRADICTS, facts), writes)
    if one.contradiction is not None:
        code = one.contradiction.code
        if one.contradiction.needs_person:
            hold = Hold(HoldCode.SHIPPED_ELSEWHERE, {"code": code})
            gather(STEP, Settled(one.place, Done(), Cause.WAREHOUSE, holds=(hold,)), writes)
        else:
            writes.events.append(event(STEP, one.place, "scan_contradicts", Cause.WAREHOUSE, facts={"code": code}))
    if one.path:
        done = Done(one.path[-1])
        gather(STEP, Settled(one.place, done, Cause.WAREHOUSE, via=tuple(one.path[:-1]), follow=follow), writes)
    else:
        writes.added.extend(follow)
