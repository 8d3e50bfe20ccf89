"""pull: store what changed at a shop, raw, before anything interprets it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeGuard

from actors.orders.intake import Kept, OrderIntake, ShopFeed, stops_window
from actors.tools import Tools
from adapters.ports import NARROWER, ListedChange, Window
from domain.errors import Throttled, in_own_words
from domain.gates import GateShut
from domain.order import Lane, PlatformState
from domain.outcomes import Later
from domain.steps import Step, Subject
from domain.windows import PART_MIN_S, Marks, begin, longer_s, never_read, note_part, shorter_s, spans
from infra.config.settings import Shop
from infra.engine.actor import Runner, actor
from infra.engine.remote import Intended, Lease
from infra.engine.results import Finished, Result, SubjectRef
from infra.process.clock import Clock
from infra.queue.keys import BellKey
from infra.tables.gaps import load_gaps
from infra.tables.payloads import KnownChange, known_changes
from infra.tables.pool import Connection
from infra.tables.progress import closed_gaps
from infra.tables.shops import ShopRow, load_shops, move_cursor, note_read, note_settled
from infra.telemetry.log import get_logger

STEP = Step(
    name="pull",
    does="fetch what changed at a shop, and store it raw before anything interprets it",
    subject=Subject.SHOP,
    is_remote=True,
    leads_to=("normalize",),
    group="pull",
    failpoints=("stored",),
    # A gap is a subject of its own with a negative id. The reading of a shop has no end.
    done=closed_gaps,
)

# Least seconds until a shop whose gate shut in the middle of a window is read again.
_GATE_S = 1.0
# Fetches of one slice: this number times the calls that may run at once.
_WAVES = 2
# Another part begins within this share of the time that a lease leaves for reading, so that gaps have their turn.
_EARLY = 1 / 2
_DAY_S = 86_400.0
# Gaps that are tried again in one round, after the newly listed orders.
_GAPS_MAX = 200
# The second reading begins when this share of the settle time has gathered. It reads at most this many seconds at once.
_SETTLE_PART = 1 / 3
_SETTLE_MAX_S = 3600.0
# Platforms tell whole seconds: what was fetched within the second of a change may miss the next one.
_SAME_SECOND_S = 2.0
_IDS_SHOWN = 5
_SHIPPED = frozenset({PlatformState.SHIPPED, PlatformState.DONE})

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DueRead:
    """A shop and the span of changes to read now, in parts of `part_s`, each `longest_s` at most.

    `cursor_was`: the stored cursor. `settled` is the span to read a second time, if it is time for it.
    """

    ref: SubjectRef
    shop: Shop
    window: Window
    marks: Marks
    cursor_was: datetime | None
    part_s: float
    longest_s: float
    settled: Window | None = None


@dataclass(frozen=True, slots=True)
class ReadResult:
    """What one round has read. `error` ended the round early; changes that were read before it are kept.

    `part_s`: the length of the next round's parts. `is_sparse`: no part had more than one page. `is_settled`: the
    second reading came to its end; None where there was none.
    """

    marks: Marks
    part_s: float
    is_whole: bool
    is_sparse: bool = False
    error: Exception | None = None
    is_settled: bool | None = None


@dataclass(slots=True)
class Pages:
    """The pages of a part that were stored, and the latest change in them."""

    stored: int = 0
    furthest: datetime | None = None

    def note(self, page: Sequence[ListedChange]) -> None:
        self.stored += 1
        for one in page:
            self.furthest = max(self.furthest or one.changed_at, one.changed_at)


@dataclass(frozen=True, slots=True)
class ReadTime:
    """The time that a lease leaves for reading, from `began` to `ends` on the process's clock."""

    clock: Clock
    lease: Lease
    began: float
    ends: float

    def may_begin(self) -> bool:
        return not self.lease.is_draining() and self.clock.monotonic() <= self.ends

    def is_early(self) -> bool:
        return self.may_begin() and self.share_since(self.began) < _EARLY

    def share_since(self, since: float) -> float:
        """Of the whole time, how much has passed since then."""
        return (self.clock.monotonic() - since) / (self.ends - self.began) if self.ends > self.began else 1.0


@dataclass(frozen=True, slots=True)
class PullStep:
    """Reads a shop's changes from where the last round left off, part by part, the oldest first.

    The cursor moves with each part that is stored whole, whatever becomes of the next one.

    A change that the platform writes late bears a time that was read already. So each window is read a second time
    once it has settled: ids and change times only, and what is not stored is fetched then.
    """

    tools: Tools
    step: str = STEP.name
    intake: OrderIntake = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "intake", OrderIntake(self.tools))

    @property
    def call_s(self) -> float:
        return _WAVES * self.tools.settings.door.total_s

    def intend(self, tx: Connection, subject_ids: Sequence[int]) -> Intended[DueRead]:
        shops = self.tools.directory.shops
        rows = load_shops(tx, subject_ids)
        return Intended([self._due(row, shops[row.account]) for row in rows if row.account in shops])

    def _due(self, so_far: ShopRow, shop: Shop) -> DueRead:
        """From where the next reading begins to now, less the platform's lag."""
        newest = so_far.now - timedelta(seconds=shop.lag_s)
        marks = _marks(so_far, shop, newest)
        longest_s = self.tools.platform(shop.account).window_max_s
        part_s = min(longest_s, so_far.window_s or longest_s)
        settle_max_s = min(longest_s, so_far.settle_window_s or longest_s)
        settled = _settled_window(shop, so_far.settled_at, newest, settle_max_s)
        return DueRead(
            ref=SubjectRef(so_far.id, Lane.P1),
            shop=shop,
            window=Window(marks.start, newest),
            marks=marks,
            cursor_was=so_far.cursor_at,
            part_s=part_s,
            longest_s=longest_s,
            settled=settled,
        )

    async def call(self, intents: Sequence[DueRead], lease: Lease) -> Mapping[int, Any]:
        answers = await asyncio.gather(*(self._read(due, lease) for due in intents), return_exceptions=True)
        return dict(zip((due.ref.subject_id for due in intents), answers, strict=True))

    async def _read(self, due: DueRead, lease: Lease) -> ReadResult:
        """New changes first, then what could not be had before, then what may have been written late."""
        pace = ReadTime(self.tools.clock, lease, self.tools.clock.monotonic(), lease.ends_at - self.call_s)
        read = await self._read_window(due, pace)
        if read.error is not None and stops_window(read.error):
            return read
        await self._retry_gaps(due, pace.may_begin)
        if not read.is_whole or due.settled is None or not pace.may_begin():
            return read
        return replace(read, is_settled=await self._settle(due, due.settled, pace.may_begin))

    async def _read_window(self, due: DueRead, pace: ReadTime) -> ReadResult:
        """Part by part, until one does not fit into the lease, or breaks off with an error."""
        shop, window, marks, part_s = due.shop, due.window, due.marks, due.part_s
        parts, pages_most = 0, 0
        own_s = part_s if part_s < due.longest_s else None
        for start, end in spans(marks, window.end, shop.overlap_s, own_s):
            at = start
            while at < end:
                if parts and not pace.is_early():
                    return ReadResult(marks, part_s, is_whole=False)
                part = Window(at, min(end, at + timedelta(seconds=part_s)))
                began, pages = self.tools.clock.monotonic(), Pages()
                try:
                    is_whole, error = await self._read_part(due, part, pace.may_begin, pages), None
                except Exception as caught:  # noqa: BLE001 - the parts before it are kept
                    is_whole, error = False, caught
                if not is_whole:
                    if error is None or pages.stored or _wants_less(error):
                        part_s = shorter_s((part.start, part.end), pages.furthest)
                    return ReadResult(marks, part_s, is_whole=False, error=error)
                marks = note_part(marks, (part.start, part.end), window.end, shop.overlap_s)
                part_s = longer_s(part_s, (part.start, part.end), pace.share_since(began), due.longest_s)
                at, parts, pages_most = part.end, parts + 1, max(pages_most, pages.stored)
        return ReadResult(marks, part_s, is_whole=True, is_sparse=pages_most <= 1)

    async def _read_part(self, due: DueRead, part: Window, may_begin: Callable[[], bool], pages: Pages) -> bool:
        """Whether the whole part was read and stored before the lease ran low."""
        async for page in self.tools.platform(due.shop.account).changes(part):
            unknown = await asyncio.to_thread(self._unknown, due, part, page, _SAME_SECOND_S)
            if not await self._take_all(due, unknown, may_begin):
                return False
            pages.note(page)
            if not may_begin():
                return False
        return True

    async def _retry_gaps(self, due: DueRead, may_begin: Callable[[], bool]) -> None:
        """An error here does not end the window; the remaining gaps are tried in the next round."""
        if not may_begin():
            return
        try:
            await self._take_all(due, await asyncio.to_thread(self._gaps, due), may_begin)
        except Exception as error:  # noqa: BLE001 - see above
            log.warning("gaps_not_tried", shop=due.shop.account, error=in_own_words(error))

    async def _settle(self, due: DueRead, window: Window, may_begin: Callable[[], bool]) -> bool | None:
        """Whether the second reading came to its end; None when the shop could not be asked."""
        try:
            return await self._read_again(due, window, may_begin)
        except GateShut:
            return None
        except Exception as error:  # noqa: BLE001 - the first reading came through, and this one comes again
            log.warning("shop_not_read_again", shop=due.shop.account, error=in_own_words(error))
            return False

    async def _read_again(self, due: DueRead, window: Window, may_begin: Callable[[], bool]) -> bool:
        """Whether the whole window was read before the lease ran low."""
        async for page in self.tools.platform(due.shop.account).changes(window):
            missing = await asyncio.to_thread(self._unknown, due, window, page, 0.0)
            is_all = await self._take_all(due, missing, may_begin, is_late=True)
            if missing:
                ids = [one.platform_order_id for one in missing[:_IDS_SHOWN]]
                log.warning("found_late", shop=due.shop.account, count=len(missing), orders=ids)
            if not is_all or not may_begin():
                return False
        return True

    async def _take_all(
        self, due: DueRead, listed: Sequence[ListedChange], may_begin: Callable[[], bool], *, is_late: bool = False
    ) -> bool:
        """Fetch slice by slice; False when the lease runs low, or the process drains."""
        feed = ShopFeed(due.ref.subject_id, due.shop, is_late)
        slice_len = _WAVES * self.tools.settings.engine.outside_concurrency
        for start in range(0, len(listed), slice_len):
            if not may_begin() or not await self.intake.take(feed, listed[start : start + slice_len], may_begin):
                return False
        return True

    def _gaps(self, due: DueRead) -> list[ListedChange]:
        with self.tools.db.connection() as connection:
            rows = load_gaps(connection, due.ref.subject_id, _GAPS_MAX)
        return [ListedChange(platform_order_id, changed_at) for platform_order_id, changed_at in rows]

    def _unknown(
        self, due: DueRead, window: Window, page: Sequence[ListedChange], margin_s: float
    ) -> list[ListedChange]:
        """The orders that must be fetched. `margin_s`: a payload that was fetched within this many seconds of its
        change may be an older one.
        """
        for nameless in [one for one in page if one.fault][:1]:
            self.intake.note_nameless(ShopFeed(due.ref.subject_id, due.shop), window.start, nameless.fault)
        listed = {(one.platform_order_id, one.changed_at): one for one in page if not one.fault}
        changes = [KnownChange(*pair, one.state in _SHIPPED) for pair, one in listed.items()]
        with self.tools.db.connection() as connection:
            known = known_changes(
                connection, due.shop.platform, due.shop.name, changes, shop_id=due.ref.subject_id, margin_s=margin_s
            )
        return [one for pair, one in listed.items() if pair not in known]

    def store(self, shop: Shop, source: str, raws: Sequence[Kept]) -> None:
        """Store payloads with a provisional lane and make normalize due; known content is no news."""
        self.intake.store(shop, source, raws)

    def record(self, tx: Connection, answered: Sequence[tuple[DueRead, Any]]) -> Sequence[Result]:
        results: list[Result] = []
        for due, answer in answered:
            if isinstance(answer, ReadResult):
                self._record_read(tx, due, answer)
            results.append(Finished(due.ref, Later("next_poll", after_s=_pause_s(due, answer))))
        return results

    def _record_read(self, tx: Connection, due: DueRead, read: ReadResult) -> None:
        id_, shop, marks = due.ref.subject_id, due.shop, read.marks
        has_moved = marks != due.marks
        note_read(tx, id_, window_s=_window_s(due, read), is_read=has_moved or read.error is None)
        if has_moved:
            first = marks.cursor_at - timedelta(seconds=shop.settle_s) if shop.settle_s > 0 else None
            move_cursor(
                tx,
                id_,
                cursor_at=marks.cursor_at,
                open_from=marks.open_from,
                open_to=marks.open_to,
                settled_at=first,
                cursor_was=due.cursor_was,
            )
        if due.settled is not None and read.is_settled is not None:
            length_s = (due.settled.end - due.settled.start).total_seconds()
            window_s = 2 * length_s if read.is_settled else max(PART_MIN_S, length_s / 2)
            note_settled(tx, id_, due.settled.end if read.is_settled else None, window_s)


@actor(STEP, PullStep)
def pull(message: BellKey, runner: Runner) -> None:
    """The Dramatiq actor of this step; `infra.engine.actor` tells how a message becomes work."""
    runner.run(message)


def _marks(so_far: ShopRow, shop: Shop, newest: datetime) -> Marks:
    if so_far.cursor_at is None:
        return never_read(newest, shop.overlap_s, shop.first_pull_days * _DAY_S)
    open_from, open_to = so_far.open_from, so_far.open_to
    known = None if open_from is None or open_to is None else (open_from, open_to)
    return begin(so_far.cursor_at, known, newest, shop.overlap_s)


def _settled_window(shop: Shop, settled_at: datetime | None, newest: datetime, longest_s: float) -> Window | None:
    """The span to read a second time, if enough of it has settled."""
    if settled_at is None or shop.settle_s <= 0:
        return None
    end = newest - timedelta(seconds=shop.settle_s)
    if end - settled_at < timedelta(seconds=shop.settle_s * _SETTLE_PART):
        return None
    return Window(settled_at, min(end, settled_at + timedelta(seconds=min(longest_s, _SETTLE_MAX_S))))


def _pause_s(due: DueRead, answer: ReadResult | Exception) -> float:
    """Seconds until the shop is read again. A shop is never given up: after any error it is read again at its normal
    interval.
    """
    pace_s = due.shop.poll_every_s
    error = answer.error if isinstance(answer, ReadResult) else answer
    if isinstance(answer, ReadResult) and error is None:
        return pace_s if answer.is_whole else 0.0
    if isinstance(error, GateShut):
        # What was fetched is stored; the window is read again as soon as the shop may be asked.
        return min(pace_s, max(_GATE_S, error.after_s))
    log.error("shop_unread", shop=due.shop.account, error=in_own_words(error))
    return max(pace_s, error.after_s) if _wants_less(error) else pace_s


def _wants_less(error: Exception | None) -> TypeGuard[Throttled]:
    """Whether the platform asks for a shorter window."""
    return isinstance(error, Throttled) and bool(error.facts.get(NARROWER))


def _window_s(due: DueRead, read: ReadResult) -> float | None:
    """The length of the next parts; none of its own once all that is to be read fits into one, or is little."""
    fits = read.is_sparse or read.part_s >= (due.window.end - due.window.start).total_seconds()
    return None if (read.is_whole and fits) or read.part_s >= due.longest_s else read.part_s
