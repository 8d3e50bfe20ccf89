"""Fetches listed orders and stores their raw payloads. An order that cannot be fetched is recorded as a gap."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from traceback import clear_frames

import psycopg

from actors.tools import Tools
from adapters.ports import ListedChange
from domain.errors import Malformed, Misconfigured, Throttled
from domain.gates import PAUSED, GateShut
from domain.lanes import score
from domain.order import Lane, RawOrder
from infra.config.settings import Shop
from infra.engine.failures import Origin, add_dead_letter, cause_entry
from infra.engine.results import NewWork, SubjectRef
from infra.engine.write_outcomes import Writes, add_work, write
from infra.process.byte_room import ByteRoom
from infra.process.failpoints import failpoints
from infra.queue.keys import BellKey
from infra.tables.claims import WorkRow
from infra.tables.gaps import GapRetries, GivenUp, NotedGap, close_gaps, note_gaps, note_nameless
from infra.tables.payloads import NewPayload, full_of_unread, store_payloads
from infra.tables.pool import Connection
from infra.tables.shops import count_late
from infra.telemetry.log import get_logger

# Fetched bodies are stored as soon as they have this many bytes together; one statement carries at most this many.
STORE_BYTES = 2 * 1024 * 1024
INSERT_MAX_BYTES = 8 * 1024 * 1024
# This many unreadable payloads of one order are kept; further ones are only counted in the row of the gap.
_UNREAD_MAX = 3
# An order that cannot be fetched is requested again after a pause that doubles, and is given up after this many tries
# and this time.
_GAP_PATIENCE = GapRetries(first_s=30.0, max_s=3600.0, tries=8, patience_s=7200.0)
# Refusals by the call rate or the width of a healthy account: the order is fetched again when its window is read again.
_PACE = frozenset({"rate", "busy"})

log = get_logger(__name__)

Kept = tuple[ListedChange, RawOrder]
Failed = tuple[ListedChange, Exception]


def stops_window(error: Exception) -> bool:
    """Whether an error concerns the whole account. Any other error makes a gap of the one order that raised it."""
    return isinstance(error, Throttled) or (isinstance(error, Misconfigured) and PAUSED in error.facts)


@dataclass(frozen=True, slots=True)
class ShopFeed:
    """The shop of the orders. `is_late`: the second reading found them, and they are counted as found late."""

    shop_id: int
    shop: Shop
    is_late: bool = False


@dataclass(slots=True)
class _FetchedOrders:
    """Fetched payloads that are not stored yet. `is_all`: every order was requested in time."""

    kept: list[Kept] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    size: int = 0
    is_all: bool = True
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True)
class OrderIntake:
    """Fetches and stores orders of any shop. `room` bounds the bytes that a process fetches at once."""

    tools: Tools
    room: ByteRoom = field(default_factory=ByteRoom)

    async def take(self, feed: ShopFeed, listed: Sequence[ListedChange], may_begin: Callable[[], bool]) -> bool:
        """Fetch some orders and store their payloads; returns whether all were requested in time.

        An order that cannot be fetched is recorded as a gap and stops no other order. Raises what the platform says of
        the account as a whole, after all else is stored and noted; what was not had for that reason is a gap too,
        without a spent try.
        """
        fetched = _FetchedOrders()
        gate = asyncio.Semaphore(self.tools.settings.engine.outside_concurrency)
        stops: list[Exception] = []

        async def ask(one: ListedChange) -> None:
            async with gate:
                if not may_begin():
                    fetched.is_all = False
                    return
                async with self.room.share() as share:
                    try:
                        raw = await self.tools.platform(feed.shop.account).fetch(one.platform_order_id)
                    except Exception as error:  # noqa: BLE001 - whatever one order raises is that order's
                        _forget_locals(error)
                        self.room.resize(share, 0)
                        fetched.failed.append((one, error))
                        if stops_window(error):
                            stops.append(error)
                        return
                    self.room.resize(share, len(raw.body))
                    async with fetched.lock:
                        fetched.kept.append((one, raw))
                        fetched.size += len(raw.body)
                        if fetched.size >= STORE_BYTES:
                            await self._empty(feed, fetched)

        ends = await asyncio.gather(*(ask(one) for one in listed), return_exceptions=True)
        await self._empty(feed, fetched)
        for end in ends:
            if end is not None:
                raise end
        if stops:
            raise max(stops, key=lambda error: isinstance(error, Misconfigured))
        return fetched.is_all

    async def _empty(self, feed: ShopFeed, fetched: _FetchedOrders) -> None:
        kept, failed = fetched.kept, fetched.failed
        fetched.kept, fetched.failed, fetched.size = [], [], 0
        if kept or failed:
            await asyncio.to_thread(self._keep, feed, kept, failed)

    def _keep(self, feed: ShopFeed, kept: Sequence[Kept], failed: Sequence[Failed]) -> None:
        """Store payloads and note gaps."""
        unstored = list(failed)
        for part in _parts(kept):
            try:
                self._store(feed.shop, "pull", part, feed)
            except psycopg.Error:
                if not self.tools.db.is_reachable():
                    raise
                unstored += self._store_alone(feed, part)
        # An unreadable payload is stored, and the order is requested again: the next answer may be complete.
        unread = [(one, Malformed(raw.fault, "not readable as this order")) for one, raw in kept if raw.fault]
        self._note_gaps(feed, [*unstored, *unread])

    def _store_alone(self, feed: ShopFeed, part: Sequence[Kept]) -> list[Failed]:
        """One payload after the other, so that what the database refuses is known by its order."""
        refused: list[Failed] = []
        for one, raw in part:
            try:
                self._store(feed.shop, "pull", [(one, raw)], feed)
            except psycopg.Error as error:
                if not self.tools.db.is_reachable():
                    raise
                refused.append((one, error))
        return refused

    def store(self, shop: Shop, source: str, raws: Sequence[Kept]) -> None:
        """Store payloads with a provisional lane and make normalize due; content that is already stored is skipped.

        One statement carries at most `INSERT_MAX_BYTES`, or one payload.
        """
        for part in _parts(raws):
            self._store(shop, source, part)

    def _store(self, shop: Shop, source: str, raws: Sequence[Kept], feed: ShopFeed | None = None) -> None:
        """With a `feed`, what was stored and can be read is a gap no more."""
        cities = self.tools.directory.sender_cities
        with self.tools.db.transaction() as tx:
            raws = _worth_keeping(tx, shop, raws)
            lanes = [score(raw.lane_facts, cities, self.tools.rules, in_stock=None).lane for _, raw in raws]
            payloads = [
                NewPayload(raw.platform_order_id, raw.version, lane, one.changed_at, raw.body)
                for (one, raw), lane in zip(raws, lanes, strict=True)
            ]
            contents_max = self.tools.settings.retention.contents_max
            new = store_payloads(tx, shop.platform, shop.name, payloads, source=source, contents_max=contents_max)
            add_work(tx, [NewWork("normalize", raw_id, lane, shop=shop.account) for raw_id, lane in new])
            if feed is not None:
                had = [raw.platform_order_id for _, raw in raws if not raw.fault]
                close_gaps(tx, feed.shop_id, had)
                if feed.is_late and new:
                    count_late(tx, feed.shop_id, len(new))
        failpoints("pull.stored", [raw_id for raw_id, _ in new])
        self.tools.bells.ring({BellKey("normalize", lane, "") for _, lane in new})

    def _note_gaps(self, feed: ShopFeed, failed: Sequence[Failed]) -> None:
        when = self.tools.clock.utcnow().isoformat()
        rows = _newest(_gap(one, error, when) for one, error in failed if not _is_paced(error))
        if not rows:
            return
        log.error("orders_not_fetched", shop=feed.shop.account, count=len(rows), orders=_some_ids(rows))
        with self.tools.db.transaction() as tx:
            self._add_dead_letters(tx, feed, note_gaps(tx, feed.shop_id, rows, _GAP_PATIENCE))

    def note_nameless(self, feed: ShopFeed, since: datetime, fault: str) -> None:
        """A row of the listing without an order id becomes a dead letter at once: its order cannot be requested."""
        error = Malformed(fault, "a row of the change listing does not tell its order id")
        cause = cause_entry(error, self.tools.clock.utcnow().isoformat(), 1)
        with self.tools.db.transaction() as tx:
            self._add_dead_letters(tx, feed, note_nameless(tx, feed.shop_id, since, fault, cause))

    def _add_dead_letters(self, tx: Connection, feed: ShopFeed, given_up: Iterable[GivenUp]) -> None:
        """An order that could not be fetched for a long time becomes a dead letter: a person must ask the platform."""
        writes = Writes()
        for subject_id, tries, causes in given_up:
            ref = SubjectRef(subject_id, Lane.P1)
            work = WorkRow(subject_id, ref.lane, feed.shop.account, tries - 1, 0, causes[:-1])
            add_dead_letter("pull", ref, work, causes[-1], writes, origin=Origin(rules=self.tools.rules.version))
        write(tx, "pull", writes)


def _parts(raws: Sequence[Kept]) -> Iterator[list[Kept]]:
    """Consecutive parts of at most `INSERT_MAX_BYTES`, or of one payload."""
    part: list[Kept] = []
    size = 0
    for one, raw in raws:
        if part and size + len(raw.body) > INSERT_MAX_BYTES:
            yield part
            part, size = [], 0
        part.append((one, raw))
        size += len(raw.body)
    if part:
        yield part


def _worth_keeping(tx: Connection, shop: Shop, raws: Sequence[Kept]) -> Sequence[Kept]:
    """Without what cannot be read and comes from an order of which enough of that kind is stored already."""
    unread = [raw.platform_order_id for _, raw in raws if raw.fault]
    if not unread:
        return raws
    full = full_of_unread(tx, shop.platform, shop.name, unread, _UNREAD_MAX)
    return [(one, raw) for one, raw in raws if not (raw.fault and raw.platform_order_id in full)]


def _forget_locals(error: BaseException) -> None:
    """Clear the local variables of an error's frames, because they would keep the answers in memory until the error is
    recorded.
    """
    link: BaseException | None = error
    while link is not None:
        clear_frames(link.__traceback__)
        link = link.__cause__ or link.__context__


def _gap(one: ListedChange, error: Exception, when: str) -> NotedGap:
    cause = cause_entry(error, when, 1)
    return NotedGap(
        one.platform_order_id,
        one.changed_at,
        error=cause["code"],
        spent=int(not stops_window(error)),
        after_s=max(0.0, error.after_s) if isinstance(error, Throttled) else 0.0,
        cause=cause,
    )


def _newest(gaps: Iterable[NotedGap]) -> list[NotedGap]:
    """One gap for each order, though a page may list it with several changes."""
    ordered = sorted(gaps, key=lambda gap: (gap.changed_at, gap.spent))
    return list({gap.platform_order_id: gap for gap in ordered}.values())


def _is_paced(error: Exception) -> bool:
    return isinstance(error, GateShut) and error.why in _PACE


def _some_ids(gaps: Sequence[NotedGap]) -> list[str]:
    return [gap.platform_order_id for gap in gaps[:5]]
