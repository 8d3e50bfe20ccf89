"""One Pinduoduo shop behind the open platform's router: its orders, receivers and shipments."""

import codecs
from collections.abc import AsyncIterator, Mapping, Sequence

from adapters.http_client import HttpClient
from adapters.payload import read_answer
from adapters.platforms.pinduoduo import answers, describe
from adapters.platforms.pinduoduo.after_sale import PddAfterSale
from adapters.platforms.pinduoduo.calls import PddAccount, PddCalls, refuse_errors
from adapters.platforms.pinduoduo.order import answered_order, unread_order
from adapters.platforms.pinduoduo.paging import PddListing, PddPage
from adapters.platforms.pinduoduo.receivers import ORDERS_MAX, PddHidden, data_list, read_decrypted, read_hidden
from adapters.plugin import credential
from adapters.ports import Handover, ListedChange, PlatformStatus, Purpose, Window
from domain.errors import Conflict, FulfilmentError, Malformed, Misconfigured, Poison, Refused
from domain.order import Address, PlatformState, RawOrder
from infra.config import settings
from infra.process.clock import Clock

_OFF = "off"
_LAG_MAX_S = 1_200
# Whose waybill an order gets, as the platform numbers it: its own, another platform's, the courier's, any other.
_WAYBILL_TYPES = frozenset({"0", "1", "2", "99", _OFF})
_SENT = frozenset({PlatformState.SHIPPED, PlatformState.DONE})


def connect(shop: settings.Shop, http: HttpClient, clock: Clock) -> "Pinduoduo":
    """Credentials `client_id`, `client_secret`, `access_token`.

    Options: `lag_s` (180 to 1200), `case_statuses` (numbers with commas), `stop_answers` (``off`` where the shop does
    not use it), `decrypt` (purposes with commas: label, notice; off if not set), `waybill_type` (0, 1, 2, 99 or off),
    `refund_address_id` (a number), ``courier.NAME`` for a `logistics_id` of the shop's own. Raises Misconfigured.
    """
    account = PddAccount(
        shop.endpoint,
        credential(shop, "client_id"),
        credential(shop, "client_secret"),
        credential(shop, "access_token"),
    )
    waybill_type = shop.options.get("waybill_type", "2")
    if waybill_type not in _WAYBILL_TYPES:
        raise _invalid(shop, "waybill_type: 0, 1, 2, 99 or off")
    address = shop.options.get("refund_address_id", "")
    if address and not (address.isascii() and address.isdigit()):
        raise _invalid(shop, "refund_address_id: a number")
    return Pinduoduo(
        PddCalls(account, http, clock),
        shop.options,
        lag_s=_lag_s(shop),
        statuses=_statuses(shop),
        decrypts=_purposes(shop),
        waybill_type=waybill_type,
    )


def _lag_s(shop: settings.Shop) -> float:
    text = shop.options.get("lag_s", "")
    if not text:
        return describe.LISTING_LAG_S + describe.MARGIN_S
    if not (text.isascii() and text.isdigit() and describe.LISTING_LAG_S <= int(text) <= _LAG_MAX_S):
        raise _invalid(shop, f"lag_s: {describe.LISTING_LAG_S:.0f} to {_LAG_MAX_S}")
    return float(text)


def _statuses(shop: settings.Shop) -> tuple[str, ...]:
    named = tuple(name.strip() for name in shop.options.get("case_statuses", "").split(",") if name.strip())
    if set(named) - describe.CASE_STATES.keys():
        raise _invalid(shop, "case_statuses: known numbers with commas")
    return named or tuple(describe.CASE_STATES)


def _purposes(shop: settings.Shop) -> frozenset[str]:
    named = {name.strip() for name in shop.options.get("decrypt", _OFF).split(",")} - {"", _OFF}
    if named - set(Purpose):
        raise _invalid(shop, "decrypt: label, notice or off")
    return frozenset(named)


def _invalid(shop: settings.Shop, wanted: str) -> Misconfigured:
    return Misconfigured("option_invalid", wanted, {"account": shop.account})


class Pinduoduo:
    """See `adapters.ports.Platform`."""

    def __init__(
        self,
        calls: PddCalls,
        options: Mapping[str, str],
        *,
        lag_s: float,
        statuses: tuple[str, ...],
        decrypts: frozenset[str],
        waybill_type: str,
    ) -> None:
        self._calls = calls
        self._options = options
        self._decrypts = decrypts
        self._waybill_type = waybill_type
        self._listing: PddListing[ListedChange] = PddListing(self._page, calls.clock, lag_s)
        self.after_sale = PddAfterSale(calls, statuses, answers_stops=options.get("stop_answers", "on") != _OFF)

    @property
    def window_max_s(self) -> float:
        return self._listing.window_max_s

    @property
    def divides_lines(self) -> bool:
        """An order is told by numbers alone: neither lines nor pieces can be named."""
        return False

    async def changes(self, window: Window) -> AsyncIterator[Sequence[ListedChange]]:
        """See `adapters.platforms.pinduoduo.paging`."""
        async for rows in self._listing.read(window):
            yield rows

    async def fetch(self, platform_order_id: str) -> RawOrder:
        """An accepted answer that begins as JSON and cannot be read is this order's content, with a `fault`.

        An answer that is no JSON object at all, such as the page of a proxy, is about no order: Malformed.
        """
        response = await self._calls.send(describe.READ_ORDER, {"order_sn": platform_order_id})
        try:
            tree = read_answer(response.body)
        except Malformed as error:
            if response.is_ok and response.body.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"{"):
                return unread_order(response.body, platform_order_id, error.code)
            raise
        refuse_errors(describe.READ_ORDER, response, tree)
        return answered_order(tree, response.body, platform_order_id)

    async def status(self, platform_order_id: str) -> PlatformStatus:
        return answers.read_status(await self._calls.call(describe.READ_ORDER, {"order_sn": platform_order_id}))

    async def reveal(self, tokens: Mapping[str, str], purpose: Purpose) -> Mapping[str, Address | FulfilmentError]:
        """Decrypt, where the shop allows it for the purpose. The encrypted texts are read from each order first: they
        are not stored with the token. Where a call is refused as a whole, each receiver is asked for alone.
        """
        if purpose not in self._decrypts:
            refused = Refused("decryption_off", "the shop does not allow decryption for this purpose")
            return dict.fromkeys(tokens, refused)
        found: dict[str, Address | FulfilmentError] = {}
        hidden: list[PddHidden] = []
        for order_sn, token in tokens.items():
            try:
                body = await self._calls.call(describe.READ_ORDER, {"order_sn": order_sn})
                hidden.append(read_hidden(answers.asked_order(body, order_sn), order_sn, token))
            except (Refused, Conflict, Poison) as error:
                found[order_sn] = error
        for start in range(0, len(hidden), ORDERS_MAX):
            found |= await self._decrypt(hidden[start : start + ORDERS_MAX])
        return found

    async def write_back(self, handover: Handover) -> None:
        """Not idempotent: after an unclear end read `status` before another try.

        The first parcel of an order ships all of it. A refusal does not say whether the order has left already, so the
        order is read then. A parcel of an order that has left, and has more parcels, is told as one more number.
        """
        courier = self.courier_code(handover.courier)
        params = {
            "order_sn": handover.platform_order_id,
            "logistics_id": courier,
            "tracking_number": handover.waybill,
            "redelivery_type": describe.FIRST_NUMBER,
            "refund_address_id": self._options.get("refund_address_id", ""),
        }
        try:
            answers.read_sent(await self._calls.call(describe.SEND, params), describe.SEND)
        except Refused as refused:
            if refused.code not in {"platform_refused", "shipment_rejected"}:
                raise
            await self._after_refusal(handover, courier, refused)

    async def _after_refusal(self, handover: Handover, courier: str, refused: Refused) -> None:
        """Raises Conflict ``already_shipped`` or ``order_closed``, or the refusal of an order that waits."""
        status = await self.status(handover.platform_order_id)
        if status.state is PlatformState.CLOSED:
            raise Conflict("order_closed", "the platform shows the order as closed", refused.facts) from refused
        if status.state not in _SENT:
            raise refused
        is_told = any(shipment.waybill == handover.waybill for shipment in status.shipments)
        if is_told or not handover.outside:
            raise Conflict("already_shipped", "the platform shows the order as shipped", refused.facts) from refused
        params = {
            "order_sn": handover.platform_order_id,
            "extra_track_list": [{"shipping_id": int(courier), "tracking_number": handover.waybill}],
            "extra_track_type": describe.SPLIT_PARCEL,
        }
        answers.read_sent(await self._calls.call(describe.SEND_MORE, params), describe.SEND_MORE)

    def courier_code(self, courier: str) -> str:
        code = self._options.get(f"courier.{courier}") or describe.COURIER_CODES.get(courier)
        if not code or not (code.isascii() and code.isdigit()):
            raise Misconfigured("courier_unmapped", f"Pinduoduo has no number for {courier}", {"courier": courier})
        return code

    async def _page(self, part: Window, number: int, use_has_next: bool) -> PddPage[ListedChange]:  # noqa: FBT001 - as `PddListing.ask`
        params = {
            "is_lucky_flag": describe.ALL_ORDERS,
            "order_status": describe.ALL_STATES,
            "refund_status": describe.ALL_REFUNDS,
            "start_updated_at": int(part.start.timestamp()),
            "end_updated_at": int(part.end.timestamp()),
            "page": number,
            "page_size": describe.PAGE_SIZE,
            "use_has_next": use_has_next,
        }
        body = await self._calls.call(describe.LIST_CHANGES, params)
        return answers.read_page(body, part.end, use_has_next=use_has_next)

    async def _decrypt(self, asked: Sequence[PddHidden]) -> Mapping[str, Address | FulfilmentError]:
        try:
            return await self._decrypt_all(asked)
        except Refused as error:
            if len(asked) == 1:
                return {asked[0].order_id: error}
        found: dict[str, Address | FulfilmentError] = {}
        for one in asked:
            found |= await self._decrypt([one])
        return found

    async def _decrypt_all(self, asked: Sequence[PddHidden]) -> dict[str, Address | FulfilmentError]:
        """The platform wants to hear first whose waybills the orders will have."""
        if self._waybill_type != _OFF:
            report = {"order_sn_list": [one.order_id for one in asked], "waybill_type": self._waybill_type}
            await self._calls.call(describe.REPORT_WAYBILL, report)
        return read_decrypted(await self._calls.call(describe.DECRYPT, {"data_list": data_list(asked)}), asked)
