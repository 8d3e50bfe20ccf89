"""Signed calls of one shop to the TOP gateway, and what an error answer means."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters.china_time import cst_text
from adapters.http_client import HttpClient, Request, Response, post_form
from adapters.payload import Fields, read_answer
from adapters.platforms.taobao import describe
from adapters.platforms.taobao.faults import fault_of, read_error
from adapters.platforms.taobao.sign import SignMethod, sign
from adapters.platforms.taobao.trade import error_in
from domain.errors import FulfilmentError, Malformed, keep_evidence
from infra.config.secret import Secret
from infra.process.clock import Clock

# An answer about several orders may quote several buyers, so it is not kept as evidence.
_OF_ONE_ORDER = frozenset({describe.READ_TRADE, describe.READ_CASE, *describe.WRITES})


@dataclass(frozen=True, slots=True)
class TopAccount:
    """The values with which every call of one shop is signed."""

    endpoint: str
    app_key: Secret
    app_secret: Secret
    session: Secret
    sign_method: SignMethod


def build_call(account: TopAccount, method: str, params: Mapping[str, str], now: datetime) -> Request:
    """A signed call. Only writes must not be repeated."""
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
    return post_form(account.endpoint, method, signed, is_idempotent=method not in describe.WRITES)


@dataclass(frozen=True, slots=True)
class TopCalls:
    """Makes the calls of one shop."""

    account: TopAccount
    http: HttpClient
    clock: Clock

    async def call(self, method: str, params: Mapping[str, str]) -> bytes:
        """The body of an answer without an error. Raises what its error means in our tree."""
        response, now = await self.send(method, params)
        try:
            refuse_errors(method, response, read_answer(response.body), now)
        except FulfilmentError as error:
            if method in _OF_ONE_ORDER:
                keep_evidence(error, response.body)
            raise
        return response.body

    async def send(self, method: str, params: Mapping[str, str]) -> tuple[Response, datetime]:
        """The answer as it came, and when it was asked for."""
        now = self.clock.utcnow()
        return await self.http.send(build_call(self.account, method, params, now)), now


def refuse_errors(method: str, response: Response, tree: Mapping[str, Any], now: datetime) -> None:
    """Raise what an error answer, or an HTTP error, means."""
    if (told := error_in(tree)) is not None:
        error = read_error(Fields(told, "error_response", Malformed))
        is_read = method not in describe.WRITES
        raise fault_of(error, is_read=is_read, now=now, is_listing=method in describe.LISTINGS)
    if not response.is_ok:
        raise Malformed(f"http_{response.status}", "an error without an error envelope", {"call": method})
