"""The interface to the after-sale cases of a platform, and the values that pass through it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from domain.after_sale import AfterSaleCase
from domain.money import Money

if TYPE_CHECKING:
    from adapters.ports import Window


class StopAnswer(StrEnum):
    """What a platform is told about the goods of a case. A fact, and no decision about money."""

    STOPPED = "stopped"
    NOT_STOPPED = "not_stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class StopReport:
    """Whether the goods of a case stay here. `line_ids`: none named: the whole order. `code`: the stage, in our words.

    `amount`: of the case; None: unknown. With `STOPPED` a platform may pay the buyer back at once.
    """

    case_id: str
    platform_order_id: str
    line_ids: tuple[str, ...]
    answer: StopAnswer
    code: str
    at: datetime
    amount: Money | None = None


class AfterSale(Protocol):
    """The after-sale cases of one shop's account. Raises only the tree of `domain.errors`.

    `answers_stops`: `answer_stop` works, and the account wants it.
    """

    @property
    def window_max_s(self) -> float:
        """Longest change window that one listing may span."""
        ...

    @property
    def answers_stops(self) -> bool: ...

    def cases(self, window: "Window") -> AsyncIterator[Sequence[AfterSaleCase]]:
        """Pages of changed cases in an order that loses nothing while rows move.

        A row that cannot be read, or whose words are unknown, is a case of an unknown kind or stage, and stops no
        other.
        """
        ...

    async def case(self, case_id: str) -> AfterSaleCase:
        """One case as the platform has it now, with what the listing leaves out, such as `decide_by`."""
        ...

    async def answer_stop(self, report: StopReport) -> None:
        """Tell the platform. After an UnknownOutcome it may know: read the case, and tell no `STOPPED` again."""
        ...
