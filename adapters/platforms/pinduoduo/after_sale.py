"""The after-sale cases of one Pinduoduo shop: listed, read, and answered about the goods."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from adapters.after_sale import StopReport
from adapters.platforms.pinduoduo import answers, cases, describe
from adapters.platforms.pinduoduo.calls import PddCalls
from adapters.platforms.pinduoduo.paging import PddListing, PddPage
from adapters.ports import Window
from domain.after_sale import AfterSaleCase
from domain.errors import Refused


@dataclass(frozen=True, slots=True)
class PddAfterSale:
    """See `adapters.after_sale.AfterSale`. `statuses`: those that are asked for, each in a listing of its own."""

    calls: PddCalls
    statuses: tuple[str, ...]
    answers_stops: bool

    @property
    def window_max_s(self) -> float:
        return self._listing("").window_max_s

    async def cases(self, window: Window) -> AsyncIterator[Sequence[AfterSaleCase]]:
        """One listing for each status. A case that changes while they are read is in the next window."""
        for status in self.statuses:
            async for rows in self._listing(status).read(window):
                yield rows

    async def case(self, case_id: str) -> AfterSaleCase:
        """Raises Refused ``case_without_order`` for an id that does not name its order."""
        order_sn, number = cases.parts_of(case_id)
        if not order_sn:
            raise Refused("case_without_order", "the platform reads a case by its order and its number")
        params = {"order_sn": order_sn, "after_sales_id": number}
        return cases.read_case(await self.calls.call(describe.READ_CASE, params), case_id)

    async def answer_stop(self, report: StopReport) -> None:
        """Not idempotent: after an unclear end read the case before anything else."""
        body = await self.calls.call(describe.ANSWER_STOP, {"param": cases.stop_param(report)})
        answers.read_answered(body, cases.parts_of(report.case_id)[1])

    def _listing(self, status: str) -> PddListing[AfterSaleCase]:
        async def page(part: Window, number: int, _use_has_next: bool) -> PddPage[AfterSaleCase]:  # noqa: FBT001 - as `PddListing.ask`
            params = {
                "after_sales_status": status,
                "after_sales_type": describe.ALL_CASE_KINDS,
                "start_updated_at": int(part.start.timestamp()),
                "end_updated_at": int(part.end.timestamp()),
                "page": number,
                "page_size": describe.PAGE_SIZE,
            }
            body = await self.calls.call(describe.LIST_CASES, params)
            return cases.read_case_page(body, part.end, number)

        return PddListing(page, self.calls.clock, describe.MARGIN_S)
