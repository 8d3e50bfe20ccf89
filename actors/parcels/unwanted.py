"""The case of a waybill that nobody wants, of an order that goes on without the package."""

from dataclasses import dataclass

from domain.cases import TOLD_TO_PLATFORM, CaseKind, case_id_of
from domain.errors import Facts
from domain.holds import waybill_facts
from infra.tables.cases import NewCase


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftBehind:
    """A package that its order went on without. `shop`: account of the order's shop.

    `is_told`: the platform shows its waybill, so the case stays open after the waybill has been cancelled.
    """

    shop: str
    order_id: int
    package_id: int
    reference: str | None
    courier: str
    waybill: str
    is_told: bool = False


def unwanted_waybill(one: LeftBehind, facts: Facts) -> NewCase:
    """The case of a waybill that lives on. One for each waybill, whoever finds the waybill first."""
    kind = CaseKind.UNWANTED_WAYBILL
    told: Facts = {TOLD_TO_PLATFORM: True} if one.is_told else {}
    return NewCase(
        shop=one.shop,
        case_id=case_id_of(kind, one.reference or f"package-{one.package_id}"),
        kind=kind,
        order_id=one.order_id,
        package_id=one.package_id,
        facts={**waybill_facts(one.courier, one.waybill), **facts, **told},
    )
