"""pull: store what changed at a shop, raw, before anything interprets it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from actors.tools import Tools
from adapters.ports import Listed, Window
from domain.errors import FulfilmentError, Misconfigured, Throttled
from domain.gates import GateShut
from domain.lanes import score
from domain.order import Lane, PlatformState, RawOrder
from domain.outcomes import Later
from domain.states import Step
from infra.db.orders import ORDERS, rows_json
from infra.db.pool import Connection
from infra.db.sql import load
from infra.engine.failures import Origin, bury, cause_entry
from infra.engine.outer import Intended, Lease
from infra.engine.results import NewWork, Place, Result, Settled
from infra.engine.settle import Writes, add_work, write
from infra.failpoints import failpoints
from infra.log import get_logger
from infra.queue.keys import BellKey
from infra.settings import Shop

STEP = Step.PULL
ACCOUNTS = load("accounts")

# Least time until a shop whose gate was shut in the middle of a window is asked again.
_GATE_S = 1.0
# One slice of fetches: so many times as many calls as may run at once.
_WAVES = 2
_WINDOW_MIN_S = 60.0
# An order that was listed and cannot be had is given up after so many tries and so long.
_GAP_TRIES = 8
_GAP_PATIENCE_S = 7200.0
_SHIPPED = frozenset({PlatformState.SHIPPED, PlatformState.DONE})

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Due:
    """A shop and the span of changes to read now."""

    place: Place
    shop: Shop
    window: Window
    is_caught_up: bool


@dataclass(frozen=True, slots=True)
class Pull:
    """Reads one window of a shop's changes. The cursor moves only when the whole window is stored."""

    tools: Tools
    step: Step = STEP

    @property
    def call_s(self) -> float:
        return _WAVES * self.tools.settings.door.total_s

    def intend(self, tx: Connection, subject_ids: Sequence[int]) -> Intended[Due]:
        shops = {shop.account: shop for shop in self.tools.settings.shops}
        rows = tx.execute(ACCOUNTS["load_shops"], {"ids": list(subject_ids)}).fetchall()
        return Intended(
            [
                self._due(Place(id_, Lane.P1), shops[account], cursor, window_s, now)
                for id_, account, cursor, window_s, now in rows
                if account in shops
            ]
        )

    def _due(self, place: Place, shop: Shop, cursor: datetime | None, window_s: float | None, now: datetime) -> Due:
        """From the cursor, less the overlap, to now, less the platform's lag, at most its longest window."""
        newest = now - timedelta(seconds=shop.lag_s)
        start = (cursor or newest - timedelta(days=shop.first_pull_days)) - timedelta(seconds=shop.overlap_s)
        longest_s = self.tools.platform(shop.account).window_max_s
        end = min(newest, start + timedelta(seconds=min(longest_s, window_s or longest_s)))
        return Due(place, shop, Window(start, end), is_caught_up=end == newest)

    async def call(self, intents: Sequence[Due], lease: Lease) -> Mapping[int, Any]:
        answers = await asyncio.gather(*(self._read(due, lease) for due in intents), return_exceptions=True)
        return dict(zip((due.place.subject_id for due in intents), answers, strict=True))

    async def _read(self, due: Due, lease: Lease) -> bool:
        """Whether the whole window was read and stored before the lease ran low."""
        platform = self.tools.platform(due.shop.account)
        if not await self._fetch_all(due, await asyncio.to_thread(self._gaps, due), lease):
            return False
        async for page in platform.changes(due.window):
            unknown = await asyncio.to_thread(self._unknown, due, page)
            if not await self._fetch_all(due, unknown, lease) or self._is_out_of_time(lease):
                return False
        return True

    async def _fetch_all(self, due: Due, listed: Sequence[Listed], lease: Lease) -> bool:
        """Fetch slice by slice; False when the lease runs low, or the process drains."""
        slice_len = _WAVES * self.tools.settings.engine.outside_concurrency
        for start in range(0, len(listed), slice_len):
            if self._is_out_of_time(lease):
                return False
            await self._fetch_and_store(due, listed[start : start + slice_len])
        return True

    def _is_out_of_time(self, lease: Lease) -> bool:
        return lease.is_draining() or self.tools.clock.monotonic() > lease.ends_at - self.call_s

    def _gaps(self, due: Due) -> list[Listed]:
        with self.tools.db.connection() as connection:
            rows = connection.execute(ACCOUNTS["load_gaps"], {"shop_id": due.place.subject_id}).fetchall()
        return [Listed(platform_order_id, changed_at) for platform_order_id, changed_at in rows]

    def _unknown(self, due: Due, page: Sequence[Listed]) -> list[Listed]:
        listed = {(one.platform_order_id, one.changed_at): one for one in page}
        with self.tools.db.connection() as connection:
            known = set(
                connection.execute(
                    ORDERS["known_changes"],
                    {
                        "platform": due.shop.platform,
                        "shop": due.shop.name,
                        "platform_order_ids": [one.platform_order_id for one in listed.values()],
                        "changed_ats": [one.changed_at for one in listed.values()],
                        "are_shipped": [one.state in _SHIPPED for one in listed.values()],
                    },
                ).fetchall()
            )
        return [one for pair, one in listed.items() if pair not in known]

    async def _fetch_and_store(self, due: Due, listed: Sequence[Listed]) -> None:
        """Fetch some orders. One that cannot be had is noted as a gap and does not stop the others.

        Raises what the platform says of the account as a whole; then the window is read again.
        """
        if not listed:
            return
        platform = self.tools.platform(due.shop.account)
        gate = asyncio.Semaphore(self.tools.settings.engine.outside_concurrency)

        async def fetch(one: Listed) -> RawOrder:
            async with gate:
                return await platform.fetch(one.platform_order_id)

        answers = await asyncio.gather(*(fetch(one) for one in listed), return_exceptions=True)
        fetched = [(one, raw) for one, raw in zip(listed, answers, strict=True) if isinstance(raw, RawOrder)]
        failed = [(one, error) for one, error in zip(listed, answers, strict=True) if isinstance(error, BaseException)]
        if fetched:
            await asyncio.to_thread(self.store, due.shop, "pull", fetched)
        for _, error in failed:
            if not isinstance(error, FulfilmentError) or isinstance(error, (Misconfigured, Throttled)):
                raise error
        await asyncio.to_thread(self._note_gaps, due, fetched, failed)

    def _note_gaps(
        self,
        due: Due,
        fetched: Sequence[tuple[Listed, RawOrder]],
        failed: Sequence[tuple[Listed, BaseException]],
    ) -> None:
        when = self.tools.clock.utcnow().isoformat()
        causes = [cause_entry(error, when, 1) for _, error in failed]
        rows = [
            {
                "platform_order_id": one.platform_order_id,
                "changed_at": one.changed_at,
                "error": cause["code"],
                "cause": cause,
            }
            for (one, _), cause in zip(failed, causes, strict=True)
        ]
        with self.tools.db.transaction() as tx:
            tx.execute(
                ACCOUNTS["close_gaps"],
                {"shop_id": due.place.subject_id, "ids": [one.platform_order_id for one, _ in fetched]},
            )
            if rows:
                tx.execute(ACCOUNTS["note_gaps"], {"shop_id": due.place.subject_id, "rows": rows_json(rows)})
                log.error("orders_not_fetched", shop=due.shop.account, count=len(rows))
                self._give_up(tx, due)

    def _give_up(self, tx: Connection, due: Due) -> None:
        """An order that could not be had for long becomes a dead letter: somebody must ask the platform."""
        limits = {"shop_id": due.place.subject_id, "tries": _GAP_TRIES, "patience_s": _GAP_PATIENCE_S}
        writes = Writes()
        for subject_id, tries, causes in tx.execute(ACCOUNTS["give_up_gaps"], limits).fetchall():
            place = Place(subject_id, Lane.P1)
            work = (subject_id, place.lane, due.shop.account, tries - 1, 0, causes[:-1])
            bury(STEP, place, work, causes[-1], writes, origin=Origin(rules=self.tools.rules.version))
        write(tx, STEP, writes)

    def store(self, shop: Shop, source: str, raws: Sequence[tuple[Listed, RawOrder]]) -> None:
        """Store payloads with a provisional lane and make normalize due; known content is no news."""
        cities = [location.sender.city for location in self.tools.settings.locations]
        lanes = [score(raw.lane_facts, cities, self.tools.rules, in_stock=None).lane for _, raw in raws]
        with self.tools.db.transaction() as tx:
            new = tx.execute(
                ORDERS["store_raw"],
                {
                    "platform": shop.platform,
                    "shop": shop.name,
                    "source": source,
                    "platform_order_ids": [raw.platform_order_id for _, raw in raws],
                    "versions": [raw.version for _, raw in raws],
                    "lanes": lanes,
                    "changed_ats": [one.changed_at for one, _ in raws],
                    "bodies": [raw.body for _, raw in raws],
                },
            ).fetchall()
            add_work(tx, [NewWork(Step.NORMALIZE, raw_id, Lane(lane), shop=shop.account) for raw_id, lane in new])
        failpoints("pull.stored", [raw_id for raw_id, _ in new])
        self.tools.bells.ring({BellKey(Step.NORMALIZE, lane, "") for _, lane in new})

    def record(self, tx: Connection, answered: Sequence[tuple[Due, Any]]) -> Sequence[Result]:
        results: list[Result] = []
        for due, answer in answered:
            pause = due.shop.poll_every_s
            if isinstance(answer, bool):
                tx.execute(ACCOUNTS["note_read"], {"id": due.place.subject_id, "window_s": _next_window_s(due, answer)})
            if answer is True:
                tx.execute(ACCOUNTS["move_cursor"], {"id": due.place.subject_id, "cursor_at": due.window.end})
                pause = due.shop.poll_every_s if due.is_caught_up else 0.0
            elif isinstance(answer, GateShut):
                # What was fetched is stored; the window is read again as soon as the shop may be asked.
                pause = min(pause, max(_GATE_S, answer.after_s))
            elif isinstance(answer, Exception):
                # A shop is never given up: it is asked again at its pace, and the log says why.
                error = str(answer) if isinstance(answer, FulfilmentError) else type(answer).__name__
                log.error("shop_unread", shop=due.shop.account, error=error)
            else:
                pause = 0.0
            results.append(Settled(due.place, Later("next_poll", after_s=pause)))
        return results


def _next_window_s(due: Due, was_read: bool) -> float | None:  # noqa: FBT001 - the answer itself
    """Half the window after one that did not fit into a lease, twice after one that did, none once caught up."""
    length_s = (due.window.end - due.window.start).total_seconds()
    if not was_read:
        return max(_WINDOW_MIN_S, length_s / 2)
    return None if due.is_caught_up else 2 * length_s
