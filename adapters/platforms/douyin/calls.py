"""Signed calls of one shop to Douyin's gateway, and what an answer without success means."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from adapters.http_client import HttpClient, Request, Response
from adapters.payload import Fields, read_answer
from adapters.platforms.douyin import describe
from adapters.platforms.douyin.faults import fault_of, read_error
from adapters.platforms.douyin.sign import DouyinSignMethod, param_json, sign
from domain.errors import FulfilmentError, Malformed, keep_evidence
from infra.config.secret import Secret
from infra.process.clock import Clock

# An answer about several orders may quote several buyers, so it is not kept as evidence.
_OF_ONE_ORDER = frozenset({describe.READ_ORDER, describe.READ_CASE, *describe.WRITES})


@dataclass(frozen=True, slots=True)
class DouyinAccount:
    """The values with which every call of one shop is signed."""

    endpoint: str
    app_key: Secret
    app_secret: Secret
    access_token: Secret
    sign_method: DouyinSignMethod


def build_call(account: DouyinAccount, method: str, params: Mapping[str, Any], second: int) -> Request:
    """A signed call at a unix second. Only writes must not be repeated."""
    text, timestamp = param_json(params), str(second)
    app_key = account.app_key.reveal()
    secret = account.app_secret.reveal().encode()
    query = {
        "app_key": app_key,
        "method": method,
        "access_token": account.access_token.reveal(),
        "timestamp": timestamp,
        "v": describe.VERSION,
        "sign": sign(app_key, method, text, timestamp, secret=secret, sign_method=account.sign_method),
        "sign_method": account.sign_method,
    }
    # The header asks for the present codes of errors.
    headers = {"Content-Type": "application/json", "x-open-no-old-err-code": "1"}
    url = f"{account.endpoint.rstrip('/')}/{method.replace('.', '/')}?{urlencode(query)}"
    return Request("POST", url, method, method not in describe.WRITES, headers, text.encode())


@dataclass(frozen=True, slots=True)
class DouyinCalls:
    """Makes the calls of one shop."""

    account: DouyinAccount
    http: HttpClient
    clock: Clock

    async def call(self, method: str, params: Mapping[str, Any]) -> bytes:
        """The body of an answer with success. Raises what its error means in our tree."""
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
        second = int(self.clock.utcnow().timestamp())
        return await self.http.send(build_call(self.account, method, params, second))


def refuse_errors(method: str, response: Response, tree: Mapping[str, Any]) -> None:
    """Raise what an answer without success, or an HTTP error, means."""
    answer = Fields(tree, "answer", Malformed)
    if not response.is_ok and not answer.has("code"):
        raise Malformed(f"http_{response.status}", "an error without an error code", {"call": method})
    if (error := read_error(answer)) is not None:
        raise fault_of(error, method)
    if not response.is_ok:
        raise Malformed(f"http_{response.status}", "a success with the status of an error", {"call": method})
