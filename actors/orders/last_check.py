"""The last check before a label: fetches the order from the platform and applies all rules of the review to it.

What differs from the stored content is stored, so that the order is updated as after any pull.
"""

import asyncio
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field

from actors.orders.intake import OrderIntake
from actors.tools import Tools
from adapters import registry
from adapters.ports import ListedChange
from domain.changes import buyer_changed
from domain.corrected_addresses import keep_corrected
from domain.errors import Malformed
from domain.holds import Finding
from domain.lines import is_gone, is_ours, with_missing
from domain.listings import keep_skus
from domain.order import Order, PlatformState
from domain.review import ReviewFacts, review
from domain.stock import Reservation
from domain.waivers import Waiver
from infra.engine.results import SubjectRef
from infra.tables.lines import load_plans, own_shipments


@dataclass(frozen=True, slots=True)
class CheckedPackage:
    """A package that its order still wants, by the stored content. `version`: of the stored content."""

    ref: SubjectRef
    order: Order
    quantities: Mapping[str, int]
    version: bytes
    waivers: Sequence[Waiver]


class OrderHeldError(Exception):
    """The platform's content, as it is now, holds the order: no label is bought."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__()
        self.findings = tuple(findings)


class OrderChangedError(Exception):
    """The order wants fewer pieces than the package contains: the order is updated first."""


@dataclass(frozen=True, slots=True)
class LastCheck:
    """Asks the platform for each order. One call each, with no transaction open."""

    tools: Tools
    intake: OrderIntake = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "intake", OrderIntake(self.tools))

    async def ask(self, one: CheckedPackage) -> None:
        """Returns if the label may be bought. Raises OrderHeldError, OrderChangedError, or of the error tree."""
        key = one.order.key
        raw = await self.tools.platform(key.account).fetch(key.platform_order_id)
        if raw.version == one.version:
            await self._ask_again(one)
            return
        if raw.fault:
            raise Malformed(raw.fault, "the platform's answer about the order cannot be read")
        read = registry.platform(key.platform).read_order(raw.body, key.shop)
        now = keep_corrected(one.order, keep_skus(one.order, with_missing(one.order, read)))
        shop = self.tools.directory.shop(key.account)
        listed = ListedChange(key.platform_order_id, now.updated_at)
        await asyncio.to_thread(self.intake.store, shop, "pull", [(listed, raw)])
        own = await asyncio.to_thread(self._own, one, now)
        lines = frozenset(one.quantities)
        facts = ReviewFacts(Reservation.ALLOCATED, waivers=tuple(one.waivers), own=own, lines=lines)
        findings = (*review(now, facts, self.tools.rules).holds, *buyer_changed(one.order, now))
        if findings:
            raise OrderHeldError(findings)
        if not _wants(now, one.quantities, own):
            raise OrderChangedError

    async def _ask_again(self, one: CheckedPackage) -> None:
        """Check again for a content that is already stored: pieces stayed in the package because a call about it had an
        unknown outcome.
        """
        if may_be_outdated(one.order, one.quantities):
            own = await asyncio.to_thread(self._own, one, one.order)
            if not _wants(one.order, one.quantities, own):
                raise OrderChangedError

    def _own(self, one: CheckedPackage, now: Order) -> Mapping[str, int]:
        assert one.ref.order_id is not None
        with self.tools.db.transaction() as tx:
            _, told = load_plans(tx, [one.ref.order_id])
        return own_shipments(now, told.get(one.ref.order_id, ()))


def may_be_outdated(order: Order, lines: Container[str]) -> bool:
    """Whether one of the lines changed so that its pieces may no longer be ours to ship."""
    return any((is_gone(line) or line.shipped > 0) and line.line_id in lines for line in order.lines)


def _wants(now: Order, quantities: Mapping[str, int], own: Mapping[str, int]) -> bool:
    """Whether we still have to ship every piece of the package."""
    if now.state is PlatformState.CLOSED:
        return False
    left = {
        line.line_id: line.quantity - max(0, line.shipped - own.get(line.line_id, 0))
        for line in now.lines
        if is_ours(line) and not is_gone(line)
    }
    return all(left.get(line_id, 0) >= count for line_id, count in quantities.items())
