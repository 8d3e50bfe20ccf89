"""One Douyin shop behind the open platform's gateway: its orders, receivers and shipments."""

import codecs
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from adapters.http_client import HttpClient
from adapters.payload import read_answer
from adapters.platforms.douyin import answers, describe
from adapters.platforms.douyin.after_sale import DouyinAfterSale
from adapters.platforms.douyin.calls import DouyinAccount, DouyinCalls, refuse_errors
from adapters.platforms.douyin.order import answered_order, unread_order
from adapters.platforms.douyin.paging import DouyinListing, DouyinPage, not_older
from adapters.platforms.douyin.receivers import (
    ORDERS_MAX,
    HiddenReceiver,
    cipher_infos,
    read_decrypted,
    read_hidden,
    stale_token,
)
from adapters.platforms.douyin.sign import SIGN_METHODS
from adapters.plugin import credential
from adapters.ports import Handover, ListedChange, PlatformStatus, Purpose, Window
from domain.errors import FulfilmentError, Malformed, Misconfigured, Poison, Refused
from domain.order import Address, RawOrder
from infra.config import settings
from infra.process.clock import Clock

_REQUEST_IDS = uuid.UUID("5b1b6d3e-3c3a-4b64-9c4a-6d6f75796e31")
# Ids of the shop's own addresses, sent with every shipment where they are set.
_ADDRESSES = ("address_id", "after_sale_address_id")
_OFF = "off"


def connect(shop: settings.Shop, http: HttpClient, clock: Clock) -> "Douyin":
    """Credentials `app_key`, `app_secret`, `access_token`.

    Options: `sign_method` (hmac-sha256, md5), `decrypt` (purposes with commas: label, notice; off if not set),
    `stop_answers` (``off`` where the shop does not use the after-sale assistant), `address_id` and
    `after_sale_address_id` (numbers of the shop's addresses), ``courier.NAME`` for a company code of the shop's own.
    Raises Misconfigured.
    """
    wanted = shop.options.get("sign_method", SIGN_METHODS[0])
    method = next((known for known in SIGN_METHODS if known == wanted), None)
    if method is None:
        raise Misconfigured("sign_method_unknown", f"one of {', '.join(SIGN_METHODS)}", {"account": shop.account})
    account = DouyinAccount(
        shop.endpoint,
        credential(shop, "app_key"),
        credential(shop, "app_secret"),
        credential(shop, "access_token"),
        method,
    )
    return Douyin(account, shop.options, http, clock, decrypts=_purposes(shop), addresses=_addresses(shop))


def _purposes(shop: settings.Shop) -> frozenset[str]:
    named = {name.strip() for name in shop.options.get("decrypt", _OFF).split(",")} - {"", _OFF}
    if named - set(Purpose):
        raise Misconfigured("option_invalid", "decrypt: label, notice or off", {"account": shop.account})
    return frozenset(named)


def _addresses(shop: settings.Shop) -> dict[str, int]:
    found = {name: shop.options[name] for name in _ADDRESSES if shop.options.get(name)}
    for name, text in found.items():
        if not (text.isascii() and text.isdigit()):
            raise Misconfigured("option_invalid", f"{name}: a number", {"account": shop.account})
    return {name: int(text) for name, text in found.items()}


class Douyin:
    """See `adapters.ports.Platform`."""

    def __init__(
        self,
        account: DouyinAccount,
        options: Mapping[str, str],
        http: HttpClient,
        clock: Clock,
        *,
        decrypts: frozenset[str],
        addresses: Mapping[str, int],
    ) -> None:
        self._options = options
        self._clock = clock
        self._decrypts = decrypts
        self._addresses = addresses
        self._calls = DouyinCalls(account, http, clock)
        self._listing: DouyinListing[ListedChange] = DouyinListing(self._page)
        self.after_sale = DouyinAfterSale(self._calls, answers_stops=options.get("stop_answers", "on") != _OFF)

    @property
    def window_max_s(self) -> float:
        return describe.WINDOW_MAX_S

    @property
    def divides_lines(self) -> bool:
        """A shipment names pieces of lines."""
        return True

    async def changes(self, window: Window) -> AsyncIterator[Sequence[ListedChange]]:
        """See `adapters.platforms.douyin.paging`. Orders of more than 90 days ago are in no listing."""
        async for rows in self._listing.read(not_older(window, self._clock.utcnow())):
            yield rows

    async def fetch(self, platform_order_id: str) -> RawOrder:
        """An accepted answer that begins as JSON and cannot be read is this order's content, with a `fault`.

        An answer that is no JSON object at all, such as the page of a proxy, is about no order: Malformed.
        """
        response = await self._calls.send(describe.READ_ORDER, {"shop_order_id": platform_order_id})
        try:
            tree = read_answer(response.body)
        except Malformed as error:
            if response.is_ok and response.body.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"{"):
                return unread_order(response.body, platform_order_id, error.code)
            raise
        refuse_errors(describe.READ_ORDER, response, tree)
        return answered_order(tree, response.body, platform_order_id)

    async def status(self, platform_order_id: str) -> PlatformStatus:
        body = await self._calls.call(describe.READ_ORDER, {"shop_order_id": platform_order_id})
        return answers.read_status(body)

    async def reveal(self, tokens: Mapping[str, str], purpose: Purpose) -> Mapping[str, Address | FulfilmentError]:
        """Decrypt, where the shop allows it for the purpose. The encrypted texts are read from each order first: they
        are not stored with the token. Where a call is refused as a whole, each receiver is asked for alone.
        """
        if purpose not in self._decrypts:
            refused = Refused("decryption_off", "the shop does not allow decryption for this purpose")
            return dict.fromkeys(tokens, refused)
        found: dict[str, Address | FulfilmentError] = {}
        hidden: list[HiddenReceiver] = []
        for order_id, token in tokens.items():
            one = await self._hidden(order_id, token)
            if isinstance(one, HiddenReceiver):
                hidden.append(one)
            else:
                found[order_id] = one
        for start in range(0, len(hidden), ORDERS_MAX):
            found |= await self._decrypt(hidden[start : start + ORDERS_MAX])
        return found

    async def write_back(self, handover: Handover) -> None:
        """After an unclear end read `status` before another try.

        All that is left of an order goes by the call for whole orders. Otherwise lines and pieces are named, with an id
        of the request that is the same for the same parcel.
        """
        params: dict[str, Any] = {"order_id": handover.platform_order_id, **self._addresses}
        parcel = {"company_code": self.courier_code(handover.courier), "logistics_code": handover.waybill}
        if not handover.outside:
            answers.read_done(await self._calls.call(describe.SHIP_ALL, params | parcel))
            return
        lines = [{"shipped_order_id": line, "shipped_num": pieces} for line, pieces in sorted(handover.lines.items())]
        params |= {
            "pack_list": [{**parcel, "shipped_order_info": lines}],
            "request_id": _request_id(handover),
        }
        answers.read_shipped(await self._calls.call(describe.SHIP_LINES, params), handover.waybill)

    def courier_code(self, courier: str) -> str:
        code = self._options.get(f"courier.{courier}") or describe.COURIER_CODES.get(courier)
        if not code:
            raise Misconfigured("courier_unmapped", f"Douyin has no code for {courier}", {"courier": courier})
        return code

    async def _page(self, start: int, end: int, number: int) -> DouyinPage[ListedChange]:
        params = {
            "update_time_start": start,
            "update_time_end": end,
            "order_by": "update_time",
            "order_asc": True,
            "page": number,
            "size": describe.PAGE_SIZE,
        }
        body = await self._calls.call(describe.LIST_CHANGES, params)
        return answers.read_page(body, datetime.fromtimestamp(end, UTC))

    async def _hidden(self, order_id: str, token: str) -> HiddenReceiver | FulfilmentError:
        """What is to be decrypted of an order. An error of one order concerns only that order."""
        try:
            body = await self._calls.call(describe.READ_ORDER, {"shop_order_id": order_id})
            one = read_hidden(answers.asked_order(body, order_id), order_id)
        except (Refused, Poison) as error:
            return error
        return stale_token(one, token) or one

    async def _decrypt(self, asked: Sequence[HiddenReceiver]) -> Mapping[str, Address | FulfilmentError]:
        try:
            return await self._decrypt_all(asked)
        except Refused as error:
            if len(asked) == 1:
                return {asked[0].order_id: error}
        found: dict[str, Address | FulfilmentError] = {}
        for one in asked:
            found |= await self._decrypt([one])
        return found

    async def _decrypt_all(self, asked: Sequence[HiddenReceiver]) -> dict[str, Address | FulfilmentError]:
        params = {"cipher_infos": cipher_infos(asked)}
        return read_decrypted(await self._calls.call(describe.DECRYPT, params), asked)


def _request_id(handover: Handover) -> str:
    """The same for the same parcel of an order: a repetition is answered like the first call, and ships nothing."""
    lines = ",".join(f"{line}:{pieces}" for line, pieces in sorted(handover.lines.items()))
    return str(uuid.uuid5(_REQUEST_IDS, f"{handover.platform_order_id}/{handover.waybill}/{lines}"))
