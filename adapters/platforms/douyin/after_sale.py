"""The after-sale cases of one Douyin shop: listed, read, and answered about stopped goods."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from adapters.after_sale import StopAnswer, StopReport
from adapters.platforms.douyin import answers, cases, describe
from adapters.platforms.douyin.calls import DouyinCalls
from adapters.platforms.douyin.paging import DouyinListing, DouyinPage
from adapters.ports import Window
from domain.after_sale import AfterSaleCase
from domain.errors import Conflict, Refused


@dataclass(frozen=True, slots=True)
class DouyinAfterSale:
    """See `adapters.after_sale.AfterSale`."""

    calls: DouyinCalls
    answers_stops: bool
    listing: DouyinListing[AfterSaleCase] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "listing", DouyinListing(self._page))

    @property
    def window_max_s(self) -> float:
        return describe.WINDOW_MAX_S

    async def cases(self, window: Window) -> AsyncIterator[Sequence[AfterSaleCase]]:
        async for rows in self.listing.read(window):
            yield rows

    async def case(self, case_id: str) -> AfterSaleCase:
        return cases.read_case(await self.calls.call(describe.READ_CASE, {"after_sale_id": case_id}), case_id)

    async def answer_stop(self, report: StopReport) -> None:
        """Only "stopped" can be said: Refused ``answer_not_possible`` otherwise. Refusing money is no such answer.

        Where the platform has paid the buyer back in another way, there is nothing left to say.
        """
        if report.answer is not StopAnswer.STOPPED:
            raise Refused("answer_not_possible", "the platform takes no answer that goods were not stopped")
        params = {"aftersale_id": report.case_id, "op_time": int(report.at.timestamp())}
        try:
            answers.read_done(await self.calls.call(describe.ANSWER_STOP, params))
        except Conflict:
            return

    async def _page(self, start: int, end: int, number: int) -> DouyinPage[AfterSaleCase]:
        # Without `order_by` a listing by update time loses rows.
        params = {
            "update_start_time": start,
            "update_end_time": end,
            "order_by": ["update_time asc"],
            "page": number,
            "size": describe.PAGE_SIZE,
        }
        body = await self.calls.call(describe.LIST_CASES, params)
        return cases.read_case_page(body, datetime.fromtimestamp(end, UTC))
