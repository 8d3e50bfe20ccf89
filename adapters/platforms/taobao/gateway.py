"""One Taobao shop behind the TOP gateway: its orders, receivers and shipments."""

import codecs
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace

import msgspec

from adapters.china_time import cst_text
from adapters.http_client import HttpClient
from adapters.payload import read_answer
from adapters.platforms.taobao import answers, describe
from adapters.platforms.taobao.after_sale import TaobaoAfterSale
from adapters.platforms.taobao.calls import TopAccount, TopCalls, refuse_errors
from adapters.platforms.taobao.lines import is_sub_order
from adapters.platforms.taobao.paging import Page, TopListing
from adapters.platforms.taobao.sign import SIGN_METHODS
from adapters.platforms.taobao.trade import answered_order, is_trade_id, unread_order
from adapters.plugin import credential
from adapters.ports import Handover, ListedChange, PlatformStatus, Purpose, Window
from domain.errors import FulfilmentError, Malformed, Misconfigured, Refused
from domain.order import Address, RawOrder
from infra.config import settings
from infra.process.clock import Clock
from infra.telemetry.log import get_logger

log = get_logger(__name__)

# The platform's own words: courier label, customer care.
SCENES = {Purpose.LABEL: "1001", Purpose.NOTICE: "2002"}
_SCENE_OPTIONS = {Purpose.LABEL: "decrypt_scene", Purpose.NOTICE: "decrypt_scene.notice"}


def connect(shop: settings.Shop, http: HttpClient, clock: Clock) -> "Taobao":
    """Credentials `app_key`, `app_secret`, `session`.

    Options: `sign_method` (md5, hmac, hmac-sha256), `decrypt_scene` (labels), ``decrypt_scene.notice``,
    ``courier.NAME`` for a company code of the shop's own, and `aligenius`: ``off`` where the shop does not use it, so
    that the platform is not told whether goods were stopped. Raises Misconfigured.
    """
    wanted = shop.options.get("sign_method", "hmac-sha256")
    method = next((known for known in SIGN_METHODS if known == wanted), None)
    if method is None:
        raise Misconfigured("sign_method_unknown", f"one of {', '.join(SIGN_METHODS)}", {"account": shop.account})
    account = TopAccount(
        shop.endpoint,
        credential(shop, "app_key"),
        credential(shop, "app_secret"),
        credential(shop, "session"),
        method,
    )
    if shop.overlap_s < describe.OPEN_S:
        log.warning("overlap_short", account=shop.account, overlap_s=shop.overlap_s, at_least_s=describe.OPEN_S)
    return Taobao(account, shop.options, http, clock, shop.overlap_s)


class Taobao:
    """See `adapters.ports.Platform`."""

    def __init__(
        self, account: TopAccount, options: Mapping[str, str], http: HttpClient, clock: Clock, overlap_s: float
    ) -> None:
        self._options = options
        self._calls = TopCalls(account, http, clock)
        self._listing = TopListing(self._page, clock, overlap_s)
        self.after_sale = TaobaoAfterSale(self._calls, overlap_s, answers_stops=options.get("aligenius", "on") == "on")

    @property
    def window_max_s(self) -> float:
        return describe.WINDOW_MAX_S

    @property
    def divides_lines(self) -> bool:
        """A sub-order is planned whole: some kinds of orders can be sent by the sub-order only.

        A warehouse may divide one all the same, and `write_back` tells the pieces then.
        """
        return False

    async def changes(self, window: Window) -> AsyncIterator[Sequence[ListedChange]]:
        """See `adapters.platforms.taobao.paging`."""
        async for rows in self._listing.read(window):
            yield rows

    async def fetch(self, platform_order_id: str) -> RawOrder:
        """An accepted answer that begins as JSON and cannot be read is this order's content, with a `fault`.

        An answer that is no JSON object at all, such as the page of a proxy, is about no order: Malformed.
        """
        params = {"fields": describe.TRADE_FIELDS, "tid": platform_order_id, "include_oaid": "include_oaid"}
        response, now = await self._calls.send(describe.READ_TRADE, params)
        try:
            tree = read_answer(response.body)
        except Malformed as error:
            if response.is_ok and response.body.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"{"):
                return unread_order(response.body, platform_order_id, error.code)
            raise
        refuse_errors(describe.READ_TRADE, response, tree, now)
        return answered_order(tree, response.body, platform_order_id)

    async def status(self, platform_order_id: str) -> PlatformStatus:
        body = await self._calls.call(describe.READ_TRADE, {"fields": describe.STATUS_FIELDS, "tid": platform_order_id})
        return answers.read_status(body)

    async def reveal(self, tokens: Mapping[str, str], purpose: Purpose) -> Mapping[str, Address | FulfilmentError]:
        """Decrypt in calls of 20. Where a call is refused as a whole, each receiver is asked for alone."""
        found: dict[str, Address | FulfilmentError] = {}
        asked = list(tokens.items())
        for start in range(0, len(asked), describe.DECRYPT_MAX):
            part = dict(asked[start : start + describe.DECRYPT_MAX])
            try:
                found |= await self._decrypt(part, purpose)
            except Refused as error:
                found |= dict.fromkeys(part, error) if len(part) == 1 else await self._decrypt_alone(part, purpose)
        return found

    async def write_back(self, handover: Handover) -> None:
        """Not idempotent: after an unclear end read `status` before another try."""
        if any(is_sub_order(line) for line in handover.divided):
            await self._send_pieces(handover)
            return
        params = {
            "tid": handover.platform_order_id,
            "out_sid": handover.waybill,
            "company_code": self.courier_code(handover.courier),
        }
        if any(is_sub_order(line) for line in handover.outside):
            named = [line for line in handover.lines if is_sub_order(line)]
            if not named:
                raise Refused("lines_unknown_to_platform", "the platform has no sub-order for any line of the package")
            params |= {"is_split": "1", "sub_tid": ",".join(named)}
        answers.read_shipped(await self._calls.call(describe.SEND, params))

    async def _send_pieces(self, handover: Handover) -> None:
        """Each sub-order of the package with its pieces, and whether more of it is to come in other packages."""
        named = {line: count for line, count in handover.lines.items() if is_sub_order(line)}
        package = {
            "out_sid": handover.waybill,
            "company_code": self.courier_code(handover.courier),
            "goods": [
                {"sub_tid": line, "num": count, "item_type": describe.SOLD_HERE} for line, count in named.items()
            ],
        }
        more_to_come = handover.divided - handover.completes
        params = {
            "tid": handover.platform_order_id,
            "consign_type": describe.BY_PIECES,
            "consign_pkgs": msgspec.json.encode([package]).decode(),
            "consign_status": msgspec.json.encode(
                [{"sub_tid": line, "is_part_consign": line in more_to_come} for line in named]
            ).decode(),
        }
        answers.read_pieces_shipped(await self._calls.call(describe.SEND_PIECES, params))

    def courier_code(self, courier: str) -> str:
        code = self._options.get(f"courier.{courier}") or describe.COURIER_CODES.get(courier)
        if not code:
            raise Misconfigured("courier_unmapped", f"Taobao has no code for {courier}", {"courier": courier})
        return code

    async def _page(self, window: Window, number: int, use_has_next: bool) -> Page[ListedChange]:  # noqa: FBT001 - as `TopListing.ask`
        params = {
            "fields": describe.LIST_FIELDS,
            "start_modified": cst_text(window.start),
            "end_modified": cst_text(window.end),
            "page_no": str(number),
            "page_size": str(describe.PAGE_SIZE),
            "use_has_next": str(use_has_next).lower(),
        }
        body = await self._calls.call(describe.LIST_CHANGES, params)
        page = answers.read_page(body, window.end, use_has_next=use_has_next)
        return replace(page, rows=(*page.rows, *_from_rejected(page, window))) if page.rejected else page

    async def _decrypt(self, tokens: Mapping[str, str], purpose: Purpose) -> Mapping[str, Address | FulfilmentError]:
        scene = self._options.get(_SCENE_OPTIONS[purpose], SCENES[purpose])
        body = await self._calls.call(describe.DECRYPT, {"query_list": answers.decrypt_query(tokens, scene)})
        return answers.read_decrypted(body, tokens)

    async def _decrypt_alone(
        self, tokens: Mapping[str, str], purpose: Purpose
    ) -> Mapping[str, Address | FulfilmentError]:
        found: dict[str, Address | FulfilmentError] = {}
        for tid, token in tokens.items():
            try:
                found |= await self._decrypt({tid: token}, purpose)
            except Refused as error:
                found[tid] = error
        return found


def _from_rejected(page: Page[ListedChange], window: Window) -> list[ListedChange]:
    """Rows that could not be read. One whose order id is known is fetched as if it had changed at the window's end."""
    return [
        ListedChange(row.key, window.end)
        if is_trade_id(row.key)
        else ListedChange("", window.end, fault=f"row_{row.code}")
        for row in page.rejected
    ]
