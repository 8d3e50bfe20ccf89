"""pull: store what changed at a shop, raw, before anything interprets it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from actors.intake import Feed, Intake, Kept, stops_window
from actors.tools import Tools
from adapters.ports import NARROWER, Listed, Window
from domain.errors import FulfilmentError, Throttled
from domain.gates import GateShut
from domain.order import Lane, PlatformState
from domain.outcomes import Later
from domain.states import Step
from infra.db.orders import ORDERS
from infra.db.pool import Connection
from infra.db.sql import load
from infra.engine.outer import Intended, Lease
from infra.engine.results import Place, Result, Settled
from infra.log import get_logger
from infra.settings import Shop

STEP = Step.PULL
ACCOUNTS = load("accounts")

# Least time until a shop whose gate was shut in the middle of a window is asked again.
_GATE_S = 1.0
# One slice of fetches: so many times as many calls as may run at once.
_WAVES = 2
_WINDOW_MIN_S = 60.0
# Orders that could not be had: so many are tried again in one round, after what is newly listed.
_GAPS_MAX = 200
# The second reading begins when so much of the settle time has gathered, and reads at most so much at once.
_SETTLE_PART = 1 / 3
_SETTLE_MAX_S = 3600.0
# Platforms tell whole seconds: what was fetched within the second of a change may miss the next one.
_SAME_SECOND_S = 2.0
_IDS_SHOWN = 5
_SHIPPED = frozenset({PlatformState.SHIPPED, PlatformState.DONE})

log = get_logger(__name__)


class SoFar(NamedTuple):
    """How far a shop was read, and the database's time. The windows are shorter ones, where the usual did not fit."""

    cursor_at: datetime | None
    window_s: float | None
    settled_at: datetime | None
    settle_window_s: float | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Due:
    """A shop and the span of changes to read now; `settled` is the span to read a second time, if it is time for it."""

    place: Place
    shop: Shop
    window: Window
    is_caught_up: bool
    settled: Window | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """What one round has read. `is_settled`: the second reading came to its end; None where there was none."""

    is_whole: bool
    is_settled: bool | None = None


@dataclass(frozen=True, slots=True)
class Pull:
    """Reads one window of a shop's changes. The cursor moves only when the whole window is stored.

    A change that the platform writes late bears a time that was read already. So each window is read a second time
    once it has settled: ids and change times only, and what is not stored is fetched then.
    """

    tools: Tools
    step: Step = STEP
    intake: Intake = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "intake", Intake(self.tools))

    @property
    def call_s(self) -> float:
        return _WAVES * self.tools.settings.door.total_s

    def intend(self, tx: Connection, subject_ids: Sequence[int]) -> Intended[Due]:
        shops = {shop.account: shop for shop in self.tools.settings.shops}
        rows = tx.execute(ACCOUNTS["load_shops"], {"ids": list(subject_ids)}).fetchall()
        return Intended(
            [self._due(id_, shops[account], SoFar(*row)) for id_, account, *row in rows if account in shops]
        )

    def _due(self, id_: int, shop: Shop, so_far: SoFar) -> Due:
        """From the cursor, less the overlap, to now, less the platform's lag, at most its longest window."""
        newest = so_far.now - timedelta(seconds=shop.lag_s)
        start = (so_far.cursor_at or newest - timedelta(days=shop.first_pull_days)) - timedelta(seconds=shop.overlap_s)
        longest_s = self.tools.platform(shop.account).window_max_s
        end = min(newest, start + timedelta(seconds=min(longest_s, so_far.window_s or longest_s)))
        settle_max_s = min(longest_s, so_far.settle_window_s or longest_s)
        settled = _settled_window(shop, so_far.settled_at, newest, settle_max_s)
        return Due(Place(id_, Lane.P1), shop, Window(start, end), is_caught_up=end == newest, settled=settled)

    async def call(self, intents: Sequence[Due], lease: Lease) -> Mapping[int, Any]:
        answers = await asyncio.gather(*(self._read(due, lease) for due in intents), return_exceptions=True)
        return dict(zip((due.place.subject_id for due in intents), answers, strict=True))

    async def _read(self, due: Due, lease: Lease) -> Read:
        """New changes first, then what could not be had before, then what may have been written late."""

        def may_begin() -> bool:
            return not lease.is_draining() and self.tools.clock.monotonic() <= lease.ends_at - self.call_s

        error: Exception | None = None
        is_whole = False
        try:
            is_whole = await self._read_window(due, may_begin)
        except Exception as caught:
            if stops_window(caught):
                raise
            error = caught
        await self._retry_gaps(due, may_begin)
        if error is not None:
            raise error
        if not (is_whole and due.is_caught_up and due.settled is not None and may_begin()):
            return Read(is_whole)
        return Read(is_whole, await self._settle(due, due.settled, may_begin))

    async def _read_window(self, due: Due, may_begin: Callable[[], bool]) -> bool:
        """Whether the whole window was read and stored before the lease ran low."""
        async for page in self.tools.platform(due.shop.account).changes(due.window):
            unknown = await asyncio.to_thread(self._unknown, due, due.window, page, _SAME_SECOND_S)
            if not await self._take_all(due, unknown, may_begin) or not may_begin():
                return False
        return True

    async def _retry_gaps(self, due: Due, may_begin: Callable[[], bool]) -> None:
        """Whatever ends it is not the window's end: what is left comes again with the next round."""
        if not may_begin():
            return
        try:
            await self._take_all(due, await asyncio.to_thread(self._gaps, due), may_begin)
        except Exception as error:  # noqa: BLE001 - see above
            log.warning("gaps_not_tried", shop=due.shop.account, error=_code(error))

    async def _settle(self, due: Due, window: Window, may_begin: Callable[[], bool]) -> bool | None:
        """Whether the second reading came to its end; None when the shop could not be asked."""
        try:
            return await self._read_again(due, window, may_begin)
        except GateShut:
            return None
        except Exception as error:  # noqa: BLE001 - the first reading came through, and this one comes again
            log.warning("shop_not_read_again", shop=due.shop.account, error=_code(error))
            return False

    async def _read_again(self, due: Due, window: Window, may_begin: Callable[[], bool]) -> bool:
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
        self, due: Due, listed: Sequence[Listed], may_begin: Callable[[], bool], *, is_late: bool = False
    ) -> bool:
        """Fetch slice by slice; False when the lease runs low, or the process drains."""
        feed = Feed(due.place.subject_id, due.shop, is_late)
        slice_len = _WAVES * self.tools.settings.engine.outside_concurrency
        for start in range(0, len(listed), slice_len):
            if not may_begin() or not await self.intake.take(feed, listed[start : start + slice_len], may_begin):
                return False
        return True

    def _gaps(self, due: Due) -> list[Listed]:
        with self.tools.db.connection() as connection:
            named = {"shop_id": due.place.subject_id, "limit": _GAPS_MAX}
            rows = connection.execute(ACCOUNTS["load_gaps"], named).fetchall()
        return [Listed(platform_order_id, changed_at) for platform_order_id, changed_at in rows]

    def _unknown(self, due: Due, window: Window, page: Sequence[Listed], margin_s: float) -> list[Listed]:
        """What must be fetched. `margin_s`: a payload that came so soon after its change may be an older one."""
        for nameless in [one for one in page if one.fault][:1]:
            self.intake.note_nameless(Feed(due.place.subject_id, due.shop), window.start, nameless.fault)
        listed = {(one.platform_order_id, one.changed_at): one for one in page if not one.fault}
        with self.tools.db.connection() as connection:
            known = set(
                connection.execute(
                    ORDERS["known_changes"],
                    {
                        "platform": due.shop.platform,
                        "shop": due.shop.name,
                        "shop_id": due.place.subject_id,
                        "margin_s": margin_s,
                        "platform_order_ids": [one.platform_order_id for one in listed.values()],
                        "changed_ats": [one.changed_at for one in listed.values()],
                        "are_shipped": [one.state in _SHIPPED for one in listed.values()],
                    },
                ).fetchall()
            )
        return [one for pair, one in listed.items() if pair not in known]

    def store(self, shop: Shop, source: str, raws: Sequence[Kept]) -> None:
        """Store payloads with a provisional lane and make normalize due; known content is no news."""
        self.intake.store(shop, source, raws)

    def record(self, tx: Connection, answered: Sequence[tuple[Due, Any]]) -> Sequence[Result]:
        results: list[Result] = []
        for due, answer in answered:
            if isinstance(answer, Read):
                self._record_read(tx, due, answer)
            elif isinstance(answer, Throttled) and answer.facts.get(NARROWER):
                named = {"id": due.place.subject_id, "window_s": _next_window_s(due, was_read=False)}
                tx.execute(ACCOUNTS["narrow_window"], named)
            results.append(Settled(due.place, Later("next_poll", after_s=_pause_s(due, answer))))
        return results

    def _record_read(self, tx: Connection, due: Due, read: Read) -> None:
        id_ = due.place.subject_id
        tx.execute(ACCOUNTS["note_read"], {"id": id_, "window_s": _next_window_s(due, was_read=read.is_whole)})
        if read.is_whole:
            settle_s = due.shop.settle_s
            first = due.window.end - timedelta(seconds=settle_s) if settle_s > 0 else None
            tx.execute(ACCOUNTS["move_cursor"], {"id": id_, "cursor_at": due.window.end, "settled_at": first})
        if due.settled is not None and read.is_settled is not None:
            length_s = (due.settled.end - due.settled.start).total_seconds()
            tx.execute(
                ACCOUNTS["note_settled"],
                {
                    "id": id_,
                    "settled_at": due.settled.end if read.is_settled else None,
                    "window_s": 2 * length_s if read.is_settled else max(_WINDOW_MIN_S, length_s / 2),
                },
            )


def _settled_window(shop: Shop, settled_at: datetime | None, newest: datetime, longest_s: float) -> Window | None:
    """The span to read a second time, if enough of it has settled."""
    if settled_at is None or shop.settle_s <= 0:
        return None
    end = newest - timedelta(seconds=shop.settle_s)
    if end - settled_at < timedelta(seconds=shop.settle_s * _SETTLE_PART):
        return None
    return Window(settled_at, min(end, settled_at + timedelta(seconds=min(longest_s, _SETTLE_MAX_S))))


def _pause_s(due: Due, answer: Read | Exception) -> float:
    """Until the shop is asked again. A shop is never given up: after any error it is asked at its pace."""
    pace_s = due.shop.poll_every_s
    if isinstance(answer, Read):
        return pace_s if answer.is_whole and due.is_caught_up else 0.0
    if isinstance(answer, GateShut):
        # What was fetched is stored; the window is read again as soon as the shop may be asked.
        return min(pace_s, max(_GATE_S, answer.after_s))
    log.error("shop_unread", shop=due.shop.account, error=_code(answer))
    if isinstance(answer, Throttled) and answer.facts.get(NARROWER):
        return max(pace_s, answer.after_s)
    return pace_s


def _code(error: Exception) -> str:
    return str(error) if isinstance(error, FulfilmentError) else type(error).__name__


def _next_window_s(due: Due, *, was_read: bool) -> float | None:
    """Half the window after one that did not fit into a lease, twice after one that did, none once caught up."""
    length_s = (due.window.end - due.window.start).total_seconds()
    if not was_read:
        return max(_WINDOW_MIN_S, length_s / 2)
    return None if due.is_caught_up else 2 * length_s
