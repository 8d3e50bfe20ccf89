"""After-sale cases of a platform that are kept in memory, and answers that can be made to fail."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.after_sale import StopAnswer
from domain.after_sale import AfterSaleCase, CaseNeeds, CaseStage
from domain.cases import CaseKind
from domain.errors import Refused
from domain.money import Money


@dataclass
class HandAfterSale:
    """`pays`: SUCCESS ends a case at once. `errors`: raised once each, by the name of a call, or of its end."""

    window_max_s: float = 86_400.0
    answers_stops: bool = True
    pays: bool = True
    known: dict[str, AfterSaleCase] = field(default_factory=dict)
    details: dict[str, dict[str, Any]] = field(default_factory=dict)
    told: list[Any] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    errors: dict[str, list[BaseException]] = field(default_factory=dict)
    windows: list[Any] = field(default_factory=list)

    def show(self, tid: str, **changed: Any) -> AfterSaleCase:
        """A case of the order, new or changed now."""
        case_id = changed.pop("case_id", f"9{tid}")
        base = self.known.get(case_id) or AfterSaleCase(
            case_id=case_id,
            platform_order_id=tid,
            line_ids=(tid,),
            kind=CaseKind.PRE_SHIP,
            stage=CaseStage.REQUESTED,
            needs=CaseNeeds.SELLER,
            changed_at=datetime.now(UTC) - timedelta(seconds=30),
            amount=Money(1000, "CNY"),
            version="1",
        )
        at = base.changed_at + timedelta(seconds=1)
        self.known[case_id] = replace(base, **{"changed_at": at, "version": str(int(base.version) + 1), **changed})
        return self.known[case_id]

    def _raise(self, name: str) -> None:
        self.asked[name] += 1
        if self.errors.get(name):
            raise self.errors[name].pop(0)

    async def cases(self, window: Any) -> Any:
        self.windows.append(window)
        self._raise("cases")
        listed = [one for one in self.known.values() if window.start <= one.changed_at < window.end]
        pages: Sequence[list[AfterSaleCase]] = [listed] if listed else []
        for page in pages:
            yield [replace(one, decide_by=None) for one in page]

    async def case(self, case_id: str) -> AfterSaleCase:
        self._raise("case")
        if case_id not in self.known:
            raise Refused("platform_refused")
        return replace(self.known[case_id], **self.details.get(case_id, {}))

    async def answer_stop(self, report: Any) -> None:
        self._raise("answer")
        self.told.append(report)
        if report.answer is StopAnswer.STOPPED and self.pays:
            self.show(report.platform_order_id, case_id=report.case_id, stage=CaseStage.REFUNDED)
        self._raise("after_answer")
