"""pull_cases: store the after-sale cases of a shop as its platform shows them, whether their order is here or not."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from actors.tools import Tools
from adapters.after_sale import AfterSale
from adapters.ports import NARROWER, Window
from domain.after_sale import AfterSaleCase, CaseNeeds
from domain.cases import CaseKind
from domain.errors import FulfilmentError, Misconfigured, Refused, Throttled, in_own_words
from domain.gates import PAUSED, GateShut
from domain.order import Lane
from domain.outcomes import Later
from domain.steps import Step, Subject
from domain.windows import Marks, begin, longer_s, never_read, note_part, shorter_s, spans
from infra.config.settings import Shop
from infra.engine.actor import Runner, actor
from infra.engine.remote import Intended, Lease
from infra.engine.results import Finished, NewWork, Result, SubjectRef
from infra.engine.write_outcomes import add_work
from infra.process.failpoints import failpoints
from infra.queue.keys import BellKey
from infra.tables.after_sale import (
    DETAIL_UNREAD,
    CaseCursorRow,
    known_platform_cases,
    link_platform_cases,
    load_case_cursors,
    move_case_cursor,
    store_platform_cases,
)
from infra.tables.pool import Connection
from infra.telemetry.log import get_logger

STEP = Step(
    name="pull_cases",
    does="fetch the after-sale cases that changed at a shop, and store them, also before their order",
    subject=Subject.SHOP,
    is_remote=True,
    leads_to=("apply_case",),
    group="pull",
    failpoints=("stored",),
)

# A shop whose cases are not read is looked at again after so long: its settings may have changed.
_IDLE_S = 600.0
# Least seconds until a shop whose gate shut in the middle of a window is read again.
_GATE_S = 1.0
_DAY_S = 86_400.0
# The listing and the detail name different amounts.
AMOUNT_CONTRADICTS = "amount_contradicts"

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DueCases:
    """A shop and the cases to read now, up to the window's end, in parts of `part_s`."""

    ref: SubjectRef
    shop: Shop
    port: AfterSale
    marks: Marks
    window: Window
    part_s: float


@dataclass(frozen=True, slots=True)
class CasesRead:
    """How far a round has come. `error` ended it early; what was read before it is stored."""

    marks: Marks
    part_s: float
    is_whole: bool
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class PullCases:
    """Reads a shop's changed cases from where the last round left off, part by part. Watched shops are left alone."""

    tools: Tools
    step: str = STEP.name

    @property
    def call_s(self) -> float:
        # A page, and the details of its cases.
        return 2 * self.tools.settings.door.total_s

    def intend(self, tx: Connection, subject_ids: Sequence[int]) -> Intended[DueCases]:
        shops = self.tools.directory.shops
        due: list[DueCases] = []
        idle: list[Result] = []
        for row in load_case_cursors(tx, subject_ids):
            if row.account not in shops:
                continue
            shop, port = shops[row.account], self.tools.platform(row.account).after_sale
            if port is None or shop.cases_every_s <= 0:
                idle.append(Finished(SubjectRef(row.id, Lane.P1), Later("cases_not_read", after_s=_IDLE_S)))
            else:
                due.append(_due(row, shop, port))
        return Intended(due, idle)

    async def call(self, intents: Sequence[DueCases], lease: Lease) -> Mapping[int, Any]:
        answers = await asyncio.gather(*(self._read(one, lease) for one in intents), return_exceptions=True)
        return dict(zip((one.ref.subject_id for one in intents), answers, strict=True))

    async def _read(self, due: DueCases, lease: Lease) -> CasesRead:
        """Part by part, until one does not fit into the lease, or breaks off with an error."""
        clock, marks, part_s = self.tools.clock, due.marks, due.part_s
        began, ends = clock.monotonic(), lease.ends_at - self.call_s

        def may_begin() -> bool:
            return not lease.is_draining() and clock.monotonic() <= ends

        for start, end in spans(marks, due.window.end, due.shop.overlap_s, part_s):
            at = start
            while at < end:
                part = Window(at, min(end, at + timedelta(seconds=part_s)))
                part_began = clock.monotonic()
                try:
                    async for page in due.port.cases(part):
                        await self._take(due, page)
                        if not may_begin():
                            return CasesRead(marks, shorter_s((part.start, part.end), None), is_whole=False)
                except Exception as error:  # noqa: BLE001 - the parts before it are kept
                    is_narrower = isinstance(error, Throttled) and bool(error.facts.get(NARROWER))
                    next_s = shorter_s((part.start, part.end), None) if is_narrower else part_s
                    return CasesRead(marks, next_s, is_whole=False, error=error)
                marks = note_part(marks, (part.start, part.end), due.window.end, due.shop.overlap_s)
                share = (clock.monotonic() - part_began) / max(ends - began, 1.0)
                part_s = longer_s(part_s, (part.start, part.end), share, due.port.window_max_s)
                at = part.end
        return CasesRead(marks, part_s, is_whole=True)

    async def _take(self, due: DueCases, page: Sequence[AfterSaleCase]) -> None:
        """Store the cases of a page of which something is news, with what only their details tell."""
        known = await asyncio.to_thread(self._known, due.shop, page)
        news = [one for one in page if one.case_id not in known]
        gate = asyncio.Semaphore(self.tools.settings.engine.outside_concurrency)

        async def whole(one: AfterSaleCase) -> AfterSaleCase:
            if not _wants_detail(one):
                return one
            async with gate:
                return await _with_detail(due.port, one)

        cases = await asyncio.gather(*(whole(one) for one in news), return_exceptions=True)
        had = [one for one in cases if isinstance(one, AfterSaleCase)]
        if had:
            await asyncio.to_thread(self._store, due.shop, had)
        for one in cases:
            if isinstance(one, BaseException):
                raise one

    def _known(self, shop: Shop, page: Sequence[AfterSaleCase]) -> set[str]:
        with self.tools.db.connection() as connection:
            return known_platform_cases(connection, shop.account, page)

    def _store(self, shop: Shop, cases: Sequence[AfterSaleCase]) -> None:
        with self.tools.db.transaction() as tx:
            news = store_platform_cases(tx, shop.account, cases)
            add_work(tx, [_applied(id_, shop) for id_ in news])
        failpoints("pull_cases.stored", news)
        if news:
            self.tools.bells.ring({BellKey("apply_case", Lane.P1, "")})

    def record(self, tx: Connection, answered: Sequence[tuple[DueCases, Any]]) -> Sequence[Result]:
        results: list[Result] = []
        for due, answer in answered:
            if isinstance(answer, CasesRead) and answer.marks != due.marks:
                own_s = answer.part_s if answer.part_s < due.port.window_max_s else None
                move_case_cursor(tx, due.ref.subject_id, answer.marks, own_s)
            linked = link_platform_cases(tx, due.shop.account, due.shop.platform, due.shop.name)
            follow = tuple(_applied(id_, due.shop) for id_ in linked)
            results.append(Finished(due.ref, Later("next_read", after_s=_pause_s(due, answer)), follow=follow))
        return results


@actor(STEP, PullCases)
def pull_cases(message: BellKey, runner: Runner) -> None:
    """The Dramatiq actor of this step; `infra.engine.actor` tells how a message becomes work."""
    runner.run(message)


def _applied(case: int, shop: Shop) -> NewWork:
    return NewWork("apply_case", case, Lane.P1, shop=shop.account)


def _due(so_far: CaseCursorRow, shop: Shop, port: AfterSale) -> DueCases:
    """From where the next reading begins to now, less the platform's lag."""
    newest = so_far.now - timedelta(seconds=shop.lag_s)
    if so_far.cursor_at is None or so_far.open_from is None or so_far.open_to is None:
        marks = never_read(newest, shop.overlap_s, shop.first_pull_days * _DAY_S)
    else:
        marks = begin(so_far.cursor_at, (so_far.open_from, so_far.open_to), newest, shop.overlap_s)
    longest_s = port.window_max_s
    part_s = min(longest_s, so_far.window_s or longest_s)
    return DueCases(SubjectRef(so_far.id, Lane.P1), shop, port, marks, Window(marks.start, newest), part_s)


def _wants_detail(one: AfterSaleCase) -> bool:
    """Whether the detail tells something that decides: until when the seller must act, or what the case is at all."""
    has_id = not one.fault.endswith(":refund_id")
    return has_id and not one.is_final and (one.needs is CaseNeeds.SELLER or one.is_unknown)


async def _with_detail(port: AfterSale, listed: AfterSaleCase) -> AfterSaleCase:
    """The case with the fields of its detail. Raises errors that concern the whole account."""
    try:
        detail = await port.case(listed.case_id)
    except Refused as error:
        if error.code == "case_elsewhere":
            return replace(listed, kind=CaseKind.COMPENSATION)
        return replace(listed, fault=DETAIL_UNREAD)
    except FulfilmentError as error:
        if isinstance(error, Throttled) or (isinstance(error, Misconfigured) and PAUSED in error.facts):
            raise
        log.warning("case_detail_unread", case=listed.case_id, error=in_own_words(error))
        return replace(listed, fault=DETAIL_UNREAD)
    is_same = detail.changed_at == listed.changed_at
    if is_same and None not in {detail.amount, listed.amount} and detail.amount != listed.amount:
        return replace(detail, amount=None, fault=AMOUNT_CONTRADICTS)
    return detail


def _pause_s(due: DueCases, answer: CasesRead | Exception) -> float:
    """Seconds until the cases of the shop are read again: after any error at their normal interval."""
    pace_s = due.shop.cases_every_s
    error = answer.error if isinstance(answer, CasesRead) else answer
    if isinstance(answer, CasesRead) and error is None:
        return pace_s if answer.is_whole else 0.0
    if isinstance(error, GateShut):
        return min(pace_s, max(_GATE_S, error.after_s))
    log.error("cases_unread", shop=due.shop.account, error=in_own_words(error))
    return max(pace_s, error.after_s) if isinstance(error, Throttled) else pace_s
