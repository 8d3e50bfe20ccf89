"""One Taobao shop behind the TOP gateway: builds calls, sends them, reads answers."""

import codecs
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec

from adapters.china_time import cst_text
from adapters.http_client import HttpClient, Request, Response, post_form
from adapters.payload import Fields, read_answer
from adapters.platforms.taobao import answers, describe
from adapters.platforms.taobao.faults import fault_of, read_error
from adapters.platforms.taobao.lines import is_sub_order
from adapters.platforms.taobao.sign import SIGN_METHODS, SignMethod, sign
from adapters.platforms.taobao.trade import answered_order, error_in, is_trade_id, unread_order
from adapters.plugin import credential
from adapters.ports import Handover, ListedChange, PlatformStatus, Purpose, Window
from domain.errors import FulfilmentError, Malformed, Misconfigured, Refused, keep_evidence
from domain.order import Address, RawOrder
from infra.config import settings
from infra.config.secret import Secret
from infra.process.clock import Clock
from infra.telemetry.log import get_logger

log = get_logger(__name__)

# The platform's own words: courier label, customer care.
SCENES = {Purpose.LABEL: "1001", Purpose.NOTICE: "2002"}
# An answer about several orders may quote several buyers, so it is not kept as evidence.
_OF_ONE_ORDER = frozenset({describe.READ_TRADE, *describe.SENDS})
# This many empty pages in a row show that the count, or the mark for another page, is wrong.
_EMPTY_MAX = 2
_SCENE_OPTIONS = {Purpose.LABEL: "decrypt_scene", Purpose.NOTICE: "decrypt_scene.notice"}


@dataclass(frozen=True, slots=True)
class TopAccount:
    """The values with which every call of one shop is signed."""

    endpoint: str
    app_key: Secret
    app_secret: Secret
    session: Secret
    sign_method: SignMethod


def connect(shop: settings.Shop, http: HttpClient, clock: Clock) -> "Taobao":
    """Credentials `app_key`, `app_secret`, `session`.

    Options: `sign_method` (md5, hmac, hmac-sha256), `decrypt_scene` (labels), ``decrypt_scene.notice``, and
    ``courier.NAME`` for a company code of the shop's own. Raises Misconfigured.
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


def build_call(account: TopAccount, method: str, params: Mapping[str, str], now: datetime) -> Request:
    """A signed call. Only the shipment writes must not be repeated."""
    signed = {
        **{name: value for name, value in params.items() if value},
        "method": method,
        "app_key": account.app_key.reveal(),
        "session": account.session.reveal(),
        "timestamp": cst_text(now),
        "format": "json",
        "v": "2.0",
        "simplify": "false",
        "sign_method": account.sign_method,
    }
    signed["sign"] = sign(signed, account.app_secret.reveal().encode(), account.sign_method)
    return post_form(account.endpoint, method, signed, is_idempotent=method not in describe.SENDS)


class Taobao:
    """See `adapters.ports.Platform`."""

    def __init__(
        self, account: TopAccount, options: Mapping[str, str], http: HttpClient, clock: Clock, overlap_s: float
    ) -> None:
        self._account = account
        self._options = options
        self._http = http
        self._clock = clock
        self._overlap_s = overlap_s

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
        """Each listing is counted first, then read from the last page to the first.

        The newest row stands first. One that changes again leaves the window, which moves others to pages still to be
        read. Just after the window's end it may come in again at the front, and pushes others from pages still to be
        read onto pages that were. So a window of several pages is read in parts, the last of which ends soon: whoever
        is skipped in a part stands in it. Where the platform's clock is behind by up to half the overlap, rows come
        into the middle part as well; whoever is skipped there is young enough for the next window. Into a window that
        ended longer ago than windows overlap nothing comes any more.
        """
        first = await self._page(window, 1, use_has_next=False)
        if first.total <= describe.PAGE_SIZE and (first.rows or not first.total):
            yield first.rows
            return
        parts = _parts(window, self._overlap_s)
        open_s = max(self._overlap_s, describe.OPEN_S)
        if len(parts) == 1 or window.end < self._clock.utcnow() - timedelta(seconds=open_s):
            async for rows in self._backwards(window, first):
                yield rows
            return
        for part in parts:
            async for rows in self._backwards(part, await self._page(part, 1, use_has_next=False)):
                yield rows

    async def _backwards(self, window: Window, first: answers.Page) -> AsyncIterator[Sequence[ListedChange]]:
        """`first`: the first page, with the count."""
        last = -(-first.total // describe.PAGE_SIZE)
        if last <= 1 and (first.rows or not first.total):
            yield first.rows
            return
        number, empty = last, 0
        # Rows that were added since the count have moved the last rows to further pages.
        while True:
            page = await self._page(window, number, use_has_next=True)
            yield page.rows
            empty = 0 if page.rows else empty + 1
            if not page.has_next or empty == _EMPTY_MAX:
                break
            number += 1
        number, empty = last, int(not page.rows)
        while number > 1:
            number -= 1
            page = await self._page(window, number, use_has_next=True)
            yield page.rows
            empty = 0 if page.rows else empty + 1
            if empty == _EMPTY_MAX:
                number, empty = await self._end(window, number) + 1, 0

    async def _end(self, window: Window, empty: int) -> int:
        """The last page with rows before an empty one, where the count was far too high; 0 if there is none."""
        shown = 0
        while empty - shown > 1:
            middle = (shown + empty) // 2
            if (await self._page(window, middle, use_has_next=True)).rows:
                shown = middle
            else:
                empty = middle
        return shown

    async def fetch(self, platform_order_id: str) -> RawOrder:
        """An accepted answer that begins as JSON and cannot be read is this order's content, with a `fault`.

        An answer that is no JSON object at all, such as the page of a proxy, is about no order: Malformed.
        """
        params = {"fields": describe.TRADE_FIELDS, "tid": platform_order_id, "include_oaid": "include_oaid"}
        response, now = await self._send(describe.READ_TRADE, params)
        try:
            tree = read_answer(response.body)
        except Malformed as error:
            if response.is_ok and response.body.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"{"):
                return unread_order(response.body, platform_order_id, error.code)
            raise
        _refuse_errors(describe.READ_TRADE, response, tree, now)
        return answered_order(tree, response.body, platform_order_id)

    async def status(self, platform_order_id: str) -> PlatformStatus:
        body = await self._call(describe.READ_TRADE, {"fields": describe.STATUS_FIELDS, "tid": platform_order_id})
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
        answers.read_shipped(await self._call(describe.SEND, params))

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
        answers.read_pieces_shipped(await self._call(describe.SEND_PIECES, params))

    def courier_code(self, courier: str) -> str:
        code = self._options.get(f"courier.{courier}") or describe.COURIER_CODES.get(courier)
        if not code:
            raise Misconfigured("courier_unmapped", f"Taobao has no code for {courier}", {"courier": courier})
        return code

    async def _page(self, window: Window, number: int, *, use_has_next: bool) -> answers.Page:
        params = {
            "fields": describe.LIST_FIELDS,
            "start_modified": cst_text(window.start),
            "end_modified": cst_text(window.end),
            "page_no": str(number),
            "page_size": str(describe.PAGE_SIZE),
            "use_has_next": str(use_has_next).lower(),
        }
        body = await self._call(describe.LIST_CHANGES, params)
        page = answers.read_page(body, window.end, use_has_next=use_has_next)
        return replace(page, rows=(*page.rows, *_from_rejected(page, window))) if page.rejected else page

    async def _decrypt(self, tokens: Mapping[str, str], purpose: Purpose) -> Mapping[str, Address | FulfilmentError]:
        scene = self._options.get(_SCENE_OPTIONS[purpose], SCENES[purpose])
        body = await self._call(describe.DECRYPT, {"query_list": answers.decrypt_query(tokens, scene)})
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

    async def _call(self, method: str, params: Mapping[str, str]) -> bytes:
        response, now = await self._send(method, params)
        try:
            _refuse_errors(method, response, read_answer(response.body), now)
        except FulfilmentError as error:
            if method in _OF_ONE_ORDER:
                keep_evidence(error, response.body)
            raise
        return response.body

    async def _send(self, method: str, params: Mapping[str, str]) -> tuple[Response, datetime]:
        """The answer as it came, and when it was asked for."""
        now = self._clock.utcnow()
        return await self._http.send(build_call(self._account, method, params, now)), now


def _refuse_errors(method: str, response: Response, tree: Mapping[str, Any], now: datetime) -> None:
    if (told := error_in(tree)) is not None:
        error = read_error(Fields(told, "error_response", Malformed))
        is_listing = method == describe.LIST_CHANGES
        raise fault_of(error, is_read=method not in describe.SENDS, now=now, is_listing=is_listing)
    if not response.is_ok:
        raise Malformed(f"http_{response.status}", "an error without an error envelope", {"call": method})


def _from_rejected(page: answers.Page, window: Window) -> list[ListedChange]:
    """Rows that could not be read. One whose order id is known is fetched as if it had changed at the window's end."""
    return [
        ListedChange(row.key, window.end)
        if is_trade_id(row.key)
        else ListedChange("", window.end, fault=f"row_{row.code}")
        for row in page.rejected
    ]


def _parts(window: Window, overlap_s: float) -> list[Window]:
    """The span that nothing comes into, the span that a late clock brings rows into, and the open end.

    The next window reads both of the latter again.
    """
    open_s = min(describe.OPEN_S, overlap_s)
    ages_s = (max(overlap_s / 2, open_s), open_s, 0.0)
    cuts = [max(window.start, window.end - timedelta(seconds=age_s)) for age_s in ages_s]
    return [Window(start, end) for start, end in pairwise([window.start, *cuts]) if start < end]
