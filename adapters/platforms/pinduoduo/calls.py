"""Signed calls of one shop to Pinduoduo's router, and what an error answer means."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters.http_client import HttpClient, Request, Response, post_form
from adapters.payload import Fields, read_answer
from adapters.platforms.pinduoduo import describe
from adapters.platforms.pinduoduo.faults import fault_of, read_error
from adapters.platforms.pinduoduo.order import error_in
from adapters.platforms.pinduoduo.sign import sign
from adapters.vectors import params_of
from domain.errors import FulfilmentError, Malformed, keep_evidence
from infra.config.secret import Secret
from infra.process.clock import Clock

# An answer about several orders may quote several buyers, so it is not kept as evidence.
_OF_ONE_ORDER = frozenset({describe.READ_ORDER, describe.READ_CASE, *describe.WRITES})


@dataclass(frozen=True, slots=True)
class PddAccount:
    """The values with which every call of one shop is signed."""

    endpoint: str
    client_id: Secret
    client_secret: Secret
    access_token: Secret


def build_call(account: PddAccount, method: str, params: Mapping[str, Any], now: datetime) -> Request:
    """A signed call. Only writes must not be repeated. Empty parameters are not sent: nobody says how they are
    signed.
    """
    signed = {
        **{name: value for name, value in params_of(params).items() if value},
        "type": method,
        "client_id": account.client_id.reveal(),
        "access_token": account.access_token.reveal(),
        "timestamp": str(int(now.timestamp())),
        "data_type": "JSON",
        "version": "V1",
    }
    signed["sign"] = sign(signed, account.client_secret.reveal().encode())
    return post_form(account.endpoint, method, signed, is_idempotent=method not in describe.WRITES)


@dataclass(frozen=True, slots=True)
class PddCalls:
    """Makes the calls of one shop."""

    account: PddAccount
    http: HttpClient
    clock: Clock

    async def call(self, method: str, params: Mapping[str, Any]) -> bytes:
        """The body of an answer without an error. Raises what its error means in our tree."""
        response = await self.send(method, params)
        try:
            refuse_errors(method, response, read_answer(response.body))
        except FulfilmentError as error:
            if method in _OF_ONE_ORDER:
                keep_evidence(error, response.body)
            raise
        return response.body

    async def send(self, method: str, params: Mapping[str, Any]) -> Response:
        """The answer as it came."""
        return await self.http.send(build_call(self.account, method, params, self.clock.utcnow()))


def refuse_errors(method: str, response: Response, tree: Mapping[str, Any]) -> None:
    """Raise what an error answer, or an HTTP error, means."""
    if (told := error_in(tree)) is not None:
        raise fault_of(read_error(Fields(told, "error_response", Malformed)), method)
    if not response.is_ok:
        raise Malformed(f"http_{response.status}", "an error without an error envelope", {"call": method})
