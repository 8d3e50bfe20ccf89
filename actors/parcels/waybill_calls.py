"""The calls of `label`: ask the courier for existing waybills, check the order for the last time, book.

No transaction is open here. `actors.label` records the results.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from actors.orders.by_shop import call_for_each_shop, call_limits
from actors.orders.decrypt_receiver import reveal
from actors.orders.last_check import CheckedPackage, LastCheck
from actors.tools import Tools
from adapters.ports import Booking, Courier, Purpose, Waybill
from domain.errors import (
    Conflict,
    Malformed,
    Refused,
)
from domain.holds import OUTCOME_UNKNOWN
from domain.order import Address, Order
from domain.waivers import Waiver
from infra.engine.remote import Lease, call_each
from infra.engine.results import SubjectRef
from infra.process.failpoints import failpoint


@dataclass(frozen=True, slots=True)
class Unlabelled:
    """A package and the intent to book it.

    `seen_before`: a call may have happened, so ask first. `may_book`: the order still wants a label; otherwise asking
    is all. `quantities`: pieces by line in the package. `version`: of the order's content.
    `is_cancelled`: the order goes on without the package.
    """

    ref: SubjectRef
    order: Order
    account: str
    courier: str
    location: str
    service: str
    weight_g: int
    reference: str
    seen_before: bool
    may_book: bool
    waivers: tuple[Waiver, ...]
    quantities: Mapping[str, int]
    version: bytes
    is_cancelled: bool = False


@dataclass(frozen=True, slots=True)
class NothingBooked:
    """The courier was asked after every earlier call had ended. It has no waybill, and no waybill is wanted any
    more.
    """


@dataclass(frozen=True, slots=True)
class WaybillCalls:
    """Books packages at one courier account, or asks it what it has of them."""

    tools: Tools
    last_check: LastCheck = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "last_check", LastCheck(self.tools))

    @property
    def call_s(self) -> float:
        # Last check, receiver and booking, one after the other.
        return 3 * self.tools.settings.door.total_s

    async def call(self, intents: Sequence[Unlabelled], lease: Lease) -> Mapping[int, Any]:
        """Shops run in parallel, so that a slow platform does not delay the bookings of other shops."""
        return await call_for_each_shop(intents, lambda shop, members: self._call_for_shop(shop, members, lease))

    async def _call_for_shop(self, shop: str, intents: Sequence[Unlabelled], lease: Lease) -> dict[int, Any]:
        courier = self.tools.courier(lease.key.account)
        limits = call_limits(self.tools, lease, self.call_s)
        asked = await call_each(
            [intent for intent in intents if intent.seen_before], lambda one: _ask(courier, one), **limits
        )
        unbooked = [intent for intent in intents if intent.may_book and asked.get(intent.ref.subject_id) is None]
        checked = await call_each(unbooked, self._check, **limits)
        clear = [intent for intent in unbooked if checked[intent.ref.subject_id] is None]
        receivers = await self._reveal(shop, clear, lease)

        async def book(one: Unlabelled) -> Waybill:
            receiver = receivers[one.ref.subject_id]
            if isinstance(receiver, Exception):
                raise receiver
            failpoint("label.checked", one.ref.subject_id)
            waybill = await _book(courier, one, self._booking(one, receiver))
            failpoint("label.booked", one.ref.subject_id)
            return waybill

        booked = await call_each(clear, book, **limits)
        found = {id_: answer for id_, answer in asked.items() if answer is not None}
        nothing = {intent.ref.subject_id: NothingBooked() for intent in intents if not intent.may_book}
        return {**checked, **booked, **nothing, **found}

    async def _check(self, one: Unlabelled) -> None:
        await self.last_check.ask(CheckedPackage(one.ref, one.order, one.quantities, one.version, one.waivers))

    async def _reveal(self, shop: str, intents: Sequence[Unlabelled], lease: Lease) -> dict[int, Address | Exception]:
        hidden = [one.order for one in intents if one.order.receiver.merge_token]
        tokens = {order.key.platform_order_id: order.receiver.merge_token for order in hidden}
        revealed = await reveal(self.tools, shop, tokens, Purpose.LABEL, lease.is_draining)
        return {
            one.ref.subject_id: revealed.get(one.order.key.platform_order_id, one.order.receiver) for one in intents
        }

    def _booking(self, one: Unlabelled, receiver: Address) -> Booking:
        sender = self.tools.directory.location(one.location).sender
        return Booking(
            reference=one.reference,
            sender=Address(
                sender.contact, sender.phone, sender.province, sender.city, sender.district, "", sender.detail
            ),
            receiver=receiver,
            contents=tuple(
                (line.title, one.quantities[line.line_id]) for line in one.order.lines if line.line_id in one.quantities
            ),
            weight_g=one.weight_g,
            service=one.service,
            shop=one.order.key.account,
        )


async def _ask(courier: Courier, one: Unlabelled) -> Waybill | None:
    """What the courier has under our reference; None: nothing, or that it may be called once more.

    Raises Refused ``outcome_unknown`` where it can neither be asked nor, without harm, be called again: a person must
    decide.
    """
    if courier.can_find:
        found = await courier.find(one.reference)
        return None if found is None else _ours(one, found)
    if courier.is_idempotent and one.may_book:
        return None
    raise Refused(OUTCOME_UNKNOWN, "the courier can neither be asked nor safely be called again")


async def _book(courier: Courier, one: Unlabelled, booking: Booking) -> Waybill:
    try:
        return _ours(one, await courier.create(booking))
    except Conflict:
        found = await courier.find(one.reference) if courier.can_find else None
        if found is None:
            raise Malformed("duplicate_not_found", "the courier knows the reference but shows no shipment") from None
        return _ours(one, found)


def _ours(one: Unlabelled, waybill: Waybill) -> Waybill:
    """The courier's answer, if it is for this package. Raises Refused ``waybill_of_other_lines``."""
    if waybill.reference != one.reference:
        raise Malformed("foreign_answer", "the courier answered for another reference")
    lines = {line.line_id: line.waybill for line in one.order.lines if line.waybill}
    others = {number for line_id, number in lines.items() if line_id not in one.quantities}
    if waybill.number in others - {lines.get(line_id) for line_id in one.quantities}:
        # A package of the same number was booked and has left, and a restored backup does not know it.
        raise Refused("waybill_of_other_lines", f"the platform shows {waybill.number} for other lines of the order")
    return waybill
