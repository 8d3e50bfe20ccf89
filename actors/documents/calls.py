"""The calls of `dispatch`: ask the warehouse what it has, look at the order once more if that is long ago, place.

No transaction is open here. What comes back is recorded by `actors.dispatch`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from actors.documents.document import refusal_of
from actors.orders.by_shop import call_for_each_shop, call_limits
from actors.orders.decrypt_receiver import reveal
from actors.orders.last_check import CheckedPackage, LastCheck
from actors.tools import Tools
from adapters.documents import Document, DocumentProgress, DocumentRefusedError, Found, Taken
from adapters.ports import Purpose, Warehouse
from domain.dispatch import DocumentRefusal
from domain.errors import Conflict, Malformed, Refused
from domain.holds import OUTCOME_UNKNOWN
from domain.order import Address, Order
from domain.waivers import Waiver
from infra.engine.remote import Lease, call_each
from infra.engine.results import SubjectRef
from infra.process.failpoints import failpoint


@dataclass(frozen=True, slots=True)
class Undispatched:
    """A fulfillment order and the intent to hand its document over. `document`: without the plain receiver.

    `seen_before`: a call may have happened. `asks_first`: it is not placed before the warehouse was asked what it has.
    `may_place`: the order still wants it; otherwise asking is all. `is_placed`: the warehouse has it, and is only asked
    how far it is. `checked_s`: so long ago the platform allowed to ship; None: nobody knows. `quantities`: pieces by
    line. `version`: of the order's content.
    """

    ref: SubjectRef
    order: Order
    location: str
    document: Document
    seen_before: bool
    asks_first: bool
    may_place: bool
    is_placed: bool
    checked_s: float | None
    waivers: tuple[Waiver, ...]
    quantities: Mapping[str, int]
    version: bytes

    @property
    def reference(self) -> str:
        return self.document.reference


@dataclass(frozen=True, slots=True)
class NothingPlaced:
    """The warehouse, asked after every earlier call had ended, has nothing, and nothing more is wanted of it."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """The warehouse has stopped the document."""


@dataclass(frozen=True, slots=True)
class Underway:
    """The warehouse has the document and works on it, or has worked it off."""

    found: Found


Outcome = Taken | DocumentRefusal | Stopped | Underway | NothingPlaced | Exception


@dataclass(frozen=True, slots=True)
class Answer:
    """How the calls about one document ended. `checked_at`: when the platform allowed to ship (monotonic), if asked."""

    outcome: Outcome = field(repr=False)
    checked_at: float | None = None


@dataclass(frozen=True, slots=True)
class DocumentCalls:
    """Places documents at the warehouse of one account, or asks what it has of them."""

    tools: Tools
    last_check: LastCheck = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "last_check", LastCheck(self.tools))

    @property
    def call_s(self) -> float:
        # Last check or receiver, placing, and looking it up where the warehouse has it already.
        return 3 * self.tools.settings.door.total_s

    async def call(self, intents: Sequence[Undispatched], lease: Lease) -> Mapping[int, Any]:
        """Shop beside shop: what one platform takes its time over keeps no other shop's document waiting."""
        return await call_for_each_shop(intents, lambda shop, members: self._call_for_shop(shop, members, lease))

    async def _call_for_shop(self, shop: str, intents: Sequence[Undispatched], lease: Lease) -> dict[int, Answer]:
        limits = call_limits(self.tools, lease, self.call_s)
        asked = await call_each([one for one in intents if one.asks_first], self._ask, **limits)
        unplaced = [one for one in intents if one.may_place and asked.get(one.ref.subject_id) is None]
        outdated = [one for one in unplaced if self._is_outdated(one)]
        checks = await call_each(outdated, self._check, **limits)
        times = {id_: found for id_, found in checks.items() if isinstance(found, float)}
        refused = {id_: found for id_, found in checks.items() if isinstance(found, Exception)}
        clear = [one for one in unplaced if one.ref.subject_id not in refused]
        receivers = await self._reveal(shop, clear, lease)

        async def place(one: Undispatched) -> Outcome:
            receiver = receivers.get(one.ref.subject_id)
            if isinstance(receiver, Exception):
                raise receiver
            failpoint("dispatch.checked", one.ref.subject_id)
            answer = await _place(self.tools.warehouse(one.location), replace(one.document, receiver=receiver))
            failpoint("dispatch.placed", one.ref.subject_id)
            return answer

        placed = await call_each(clear, place, **limits)
        outcomes: dict[int, Outcome] = {one.ref.subject_id: NothingPlaced() for one in intents if not one.may_place}
        outcomes |= refused | placed
        outcomes |= {id_: found for id_, found in asked.items() if found is not None}
        return {id_: Answer(outcome, times.get(id_)) for id_, outcome in outcomes.items()}

    async def _ask(self, one: Undispatched) -> Outcome | None:
        """What the warehouse has under our reference; None: nothing, or that it may be called once more.

        Raises Refused ``outcome_unknown`` where it can neither be asked nor, without harm, be called again: a person
        must decide.
        """
        warehouse = self.tools.warehouse(one.location)
        known = warehouse.capabilities
        if known.can_find:
            found = await warehouse.find(one.reference)
            return None if found is None else _read(one.reference, found)
        if known.is_idempotent and one.may_place:
            return None
        raise Refused(OUTCOME_UNKNOWN, "the warehouse can neither be asked nor safely be told again")

    def _is_outdated(self, one: Undispatched) -> bool:
        return one.checked_s is None or one.checked_s > self.tools.settings.engine.last_check_max_age_s

    async def _check(self, one: Undispatched) -> float:
        now = self.tools.clock.monotonic()
        await self.last_check.ask(CheckedPackage(one.ref, one.order, one.quantities, one.version, one.waivers))
        return now

    async def _reveal(self, shop: str, intents: Sequence[Undispatched], lease: Lease) -> dict[int, Address | Exception]:
        """The plain receivers, for warehouses that need them."""
        wanting = [one for one in intents if self.tools.capabilities(one.location).needs_receiver]
        if not wanting:
            return {}
        hidden = [one.order for one in wanting if one.order.receiver.merge_token]
        tokens = {order.key.platform_order_id: order.receiver.merge_token for order in hidden}
        revealed = await reveal(self.tools, shop, tokens, Purpose.LABEL, lease.is_draining)
        return {
            one.ref.subject_id: revealed.get(one.order.key.platform_order_id, one.order.receiver) for one in wanting
        }


async def _place(warehouse: Warehouse, document: Document) -> Outcome:
    try:
        return await warehouse.place(document)
    except DocumentRefusedError as error:
        return refusal_of(error.reason, error.lines, error.message)
    except Conflict:
        found = await warehouse.find(document.reference) if warehouse.capabilities.can_find else None
        if found is None:
            raise Malformed("duplicate_not_found", "the warehouse knows the reference but shows no document") from None
        return _read(document.reference, found)


def _read(reference: str, found: Found) -> Outcome:
    if found.reference != reference:
        raise Malformed("foreign_answer", "the warehouse answered for another reference")
    match found.progress:
        case DocumentProgress.REFUSED:
            return refusal_of(found.code)
        case DocumentProgress.STOPPED:
            return Stopped()
    return Underway(found)
