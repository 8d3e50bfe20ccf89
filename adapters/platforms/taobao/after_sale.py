"""The refund cases of one Taobao shop: listed, read, and answered about the goods."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from adapters.after_sale import StopReport
from adapters.china_time import cst_text
from adapters.platforms.taobao import describe, refunds
from adapters.platforms.taobao.calls import TopCalls
from adapters.platforms.taobao.paging import Page, TopListing
from adapters.ports import Window
from domain.after_sale import AfterSaleCase


@dataclass(frozen=True, slots=True)
class TaobaoAfterSale:
    """See `adapters.after_sale.AfterSale`."""

    calls: TopCalls
    overlap_s: float
    answers_stops: bool
    listing: TopListing[AfterSaleCase] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "listing", TopListing(self._page, self.calls.clock, self.overlap_s))

    @property
    def window_max_s(self) -> float:
        return describe.WINDOW_MAX_S

    async def cases(self, window: Window) -> AsyncIterator[Sequence[AfterSaleCase]]:
        async for rows in self.listing.read(window):
            yield rows

    async def case(self, case_id: str) -> AfterSaleCase:
        """Raises Refused ``case_elsewhere`` for a compensation, whose detail is another call's."""
        params = {"fields": describe.CASE_FIELDS, "refund_id": case_id}
        return refunds.read_case(await self.calls.call(describe.READ_CASE, params), case_id)

    async def answer_stop(self, report: StopReport) -> None:
        """Not idempotent: after an unclear end read the case before anything else."""
        params = {"param": refunds.stop_param(report)}
        refunds.read_answered(await self.calls.call(describe.ANSWER_STOP, params))

    async def _page(self, window: Window, number: int, use_has_next: bool) -> Page[AfterSaleCase]:  # noqa: FBT001 - as `TopListing.ask`
        params = {
            "fields": describe.CASE_LIST_FIELDS,
            "start_modified": cst_text(window.start),
            "end_modified": cst_text(window.end),
            "page_no": str(number),
            "page_size": str(describe.PAGE_SIZE),
            "use_has_next": str(use_has_next).lower(),
        }
        body = await self.calls.call(describe.LIST_CASES, params)
        return refunds.read_page(body, window.end, use_has_next=use_has_next)
