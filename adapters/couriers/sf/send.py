"""One SF contract: signs calls, sends them, reads answers."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar
from uuid import uuid4

import msgspec

from adapters.couriers.sf import describe
from adapters.couriers.sf.sign import sign
from adapters.couriers.sf.tracking import NUMBERS_MAX, ROUTES, build_routes, calls_of, read_routes
from adapters.couriers.sf.translate import (
    build_create,
    build_intercept,
    read_cancelled,
    read_envelope,
    read_shipment,
    read_success,
    read_taken,
)
from adapters.http_client import HttpClient, Request, post_form
from adapters.payload import Fields
from adapters.plugin import credential
from adapters.ports import (
    Booking,
    Interception,
    InterceptRequest,
    TrackAnswer,
    Tracked,
    TrackEvent,
    Waybill,
)
from domain.errors import Conflict, FulfilmentError, Malformed, Misconfigured, Refused, keep_evidence
from infra.config import settings
from infra.process.clock import Clock

T = TypeVar("T")


def connect(account: settings.CourierContract, http: HttpClient, clock: Clock) -> "Sf":
    """Credentials `partner_id`, `check_word`, `monthly_card`.

    Options: `service`, `pay_method`, `intercept_pay_mode` (who pays for an interception) and
    `sign_without_url_encoding` (``true`` for the contracts whose gateway digests the bare text). Raises Misconfigured.
    """
    credential(account, "partner_id")
    credential(account, "check_word")
    credential(account, "monthly_card")
    for option, known in (("pay_method", describe.PAY_METHODS), ("intercept_pay_mode", describe.INTERCEPT_PAY_MODES)):
        if account.options.get(option, known[0]) not in known:
            raise Misconfigured(f"{option}_unknown", f"one of {', '.join(known)}", {"account": account.account})
    describe.product_of(account.options.get("service", describe.DEFAULT_SERVICE))
    return Sf(account, http, clock)


class Sf:
    """See `adapters.ports.Courier`. `new_id` names one request at the gateway, 40 characters at most."""

    is_idempotent = True
    can_find = True
    # Whatever a look-up does not show yet, a second create is refused.
    find_lag_s = 0.0
    track_max = NUMBERS_MAX
    # [assumption] SF refuses a second interception of a parcel that it is bringing back, as its parcel manager does.
    repeats_intercept = True
    # Only the routes of the parcel tell what became of it.
    can_ask_intercept = False

    def __init__(
        self,
        account: settings.CourierContract,
        http: HttpClient,
        clock: Clock,
        new_id: Callable[[], str] = lambda: uuid4().hex,
    ) -> None:
        self.can_track = account.track
        self.can_intercept = account.intercept
        self._account = account
        self._http = http
        self._clock = clock
        self._new_id = new_id

    async def create(self, booking: Booking) -> Waybill:
        content = build_create(booking, self._account)
        return await self._call(
            describe.CREATE, content, partial(read_shipment, reference=booking.reference), is_idempotent=False
        )

    async def find(self, reference: str) -> Waybill | None:
        """A cancelled shipment may come back without its number."""
        content = {"orderId": reference, "searchType": "1", "language": "zh-CN", "isReturnRoutelabel": 1}
        try:
            return await self._call(
                describe.SEARCH, content, partial(read_shipment, reference=reference), is_idempotent=True
            )
        except Conflict as error:
            if error.code == "shipment_not_found":
                return None
            if error.code == "shipment_cancelled":
                return Waybill(reference, "", alive=False)
            raise

    async def cancel(self, reference: str, waybill: str) -> None:
        """Raises Conflict ``shipment_not_found``, or ``shipment_collected`` when it must be intercepted instead."""
        content: dict[str, Any] = {"orderId": reference, "dealType": describe.CANCEL, "language": "zh-CN"}
        if waybill:
            content["waybillNoInfoList"] = [{"waybillType": 1, "waybillNo": waybill}]
        try:
            await self._call(describe.UPDATE, content, read_cancelled, is_idempotent=True)
        except Conflict as error:
            if error.code != "shipment_cancelled":
                raise

    async def track(self, tracked: Sequence[Tracked]) -> TrackAnswer:
        """One call for each end of a phone number among them."""
        found: dict[str, tuple[TrackEvent, ...] | FulfilmentError] = {}
        for end, numbers in calls_of(tracked):
            read = partial(read_routes, waybills=numbers)
            found |= await self._call(ROUTES, build_routes(numbers, end), read, is_idempotent=True)
        return found

    async def intercept(self, request: InterceptRequest) -> Interception:
        """Raises Refused ``interception_not_allowed`` for a contract without this service: it still books."""
        content = build_intercept(request, self._account)
        try:
            return await self._call(describe.INTERCEPT, content, read_taken, is_idempotent=False, opened=read_success)
        except Misconfigured as error:
            if error.code != "permission_denied":
                raise
            raise Refused("interception_not_allowed", error.message, error.facts) from None

    async def ask_intercept(self, waybill: str) -> Interception | None:  # noqa: ARG002 - as the port
        """SF answers no such question. Raises Refused."""
        raise Refused("not_asked_there", "SF tells of an interception by the routes of the parcel")

    async def _call(
        self,
        service: str,
        content: Mapping[str, Any],
        read: Callable[[Fields], T],
        *,
        is_idempotent: bool,
        opened: Callable[..., Fields] = read_envelope,
    ) -> T:
        body = msgspec.json.encode(content).decode()
        request = build_call(
            self._account, service, body, self._new_id(), self._clock.utcnow().timestamp(), is_idempotent=is_idempotent
        )
        response = await self._http.send(request)
        try:
            if not response.is_ok:
                raise Malformed(f"http_{response.status}", "an answer without an envelope", {"call": service})
            return read(opened(response.body, is_idempotent=is_idempotent))
        except FulfilmentError as error:
            keep_evidence(error, response.body)
            raise


def build_call(
    account: settings.CourierContract, service: str, body: str, request_id: str, now_s: float, *, is_idempotent: bool
) -> Request:
    """A signed call; `body` is signed and sent as the same text."""
    timestamp = str(int(now_s * 1000))
    check_word = credential(account, "check_word").reveal()
    bare = account.options.get("sign_without_url_encoding") == "true"
    form = {
        "partnerID": credential(account, "partner_id").reveal(),
        "requestID": request_id,
        "serviceCode": service,
        "timestamp": timestamp,
        "msgDigest": sign(body, timestamp, check_word, without_url_encoding=bare),
        "msgData": body,
    }
    return post_form(account.endpoint, service, form, is_idempotent=is_idempotent)
