"""Calls of the feed protocol: signed requests below a location's endpoint, and what their answers mean."""

from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from adapters.documents import Capabilities, Document, Found, Stop, Taken
from adapters.http_client import HttpClient, Request, Response
from adapters.plugin import credential
from adapters.ports import EventPage, StockCount
from adapters.warehouses.feed.events import read_events, read_stock
from adapters.warehouses.feed.options import read_capabilities
from adapters.warehouses.feed.orders import error_code, order_of, read_found, read_stop, read_taken
from adapters.warehouses.feed.sign import sign
from domain.errors import Conflict, FulfilmentError, Malformed, keep_evidence
from infra.config import settings
from infra.process.clock import Clock

NAME = "feed"
PAGE_SIZE = 500
UNKNOWN_REFERENCE, REFERENCE_USED = "unknown_reference", "reference_used"

T = TypeVar("T")


def connect(location: settings.Location, http: HttpClient, clock: Clock) -> "Feed":
    """Credential `secret`; options as `adapters.warehouses.feed.options` reads them. Raises Misconfigured."""
    credential(location, "secret")
    return Feed(location, http, clock)


def build(location: settings.Location, path_and_query: str, call: str, now: datetime) -> Request:
    """A signed GET below the location's endpoint."""
    return _request(location, "GET", path_and_query, call, now, is_idempotent=True)


def post(
    location: settings.Location, path: str, content: Mapping[str, Any], call: str, now: datetime, *, is_idempotent: bool
) -> Request:
    """A signed POST of JSON below the location's endpoint. The signature covers the bytes of the body as sent."""
    return _request(location, "POST", path, call, now, is_idempotent=is_idempotent, body=msgspec.json.encode(content))


class Feed:
    """See `adapters.ports.Warehouse`."""

    def __init__(self, location: settings.Location, http: HttpClient, clock: Clock) -> None:
        self._capabilities = read_capabilities(location)
        self._location = location
        self._http = http
        self._clock = clock

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    async def place(self, document: Document) -> Taken:
        """A lost answer is an unknown outcome even where placing is idempotent: the engine asks by reference first."""
        now = self._clock.utcnow()
        request = post(self._location, "/orders", order_of(document), "feed.place", now, is_idempotent=False)
        return await self._ask(request, lambda response: _taken(response, document))

    async def stop(self, reference: str, their_id: str) -> Stop:
        content = {"reference": reference, **({"id": their_id} if their_id else {})}
        request = post(self._location, "/stop", content, "feed.stop", self._clock.utcnow(), is_idempotent=True)
        return await self._ask(request, lambda response: _stopped(response, reference))

    async def find(self, reference: str) -> Found | None:
        request = build(self._location, f"/orders/{quote(reference, safe='')}", "feed.find", self._clock.utcnow())
        return await self._ask(request, lambda response: _found(response, reference))

    async def events(self, cursor: str) -> EventPage:
        query = f"/events?after={quote(cursor, safe='')}&limit={PAGE_SIZE}"
        return read_events(await self._get(query, "feed.events"), cursor)

    async def stock(self) -> StockCount:
        return read_stock(await self._get("/stock", "feed.stock"))

    async def _get(self, path_and_query: str, call: str) -> bytes:
        response = await self._http.send(build(self._location, path_and_query, call, self._clock.utcnow()))
        return _body(response, call)

    async def _ask(self, request: Request, read: Callable[[Response], T]) -> T:
        response = await self._http.send(request)
        try:
            return read(response)
        except FulfilmentError as error:
            keep_evidence(error, response.body)
            raise


def _request(
    location: settings.Location,
    method: str,
    path_and_query: str,
    call: str,
    now: datetime,
    *,
    is_idempotent: bool,
    body: bytes | None = None,
) -> Request:
    url = location.endpoint.rstrip("/") + path_and_query
    parts = urlsplit(url)
    sent = parts.path + (f"?{parts.query}" if parts.query else "")
    timestamp = str(int(now.timestamp()))
    secret = credential(location, "secret").reveal().encode()
    headers = {"X-Timestamp": timestamp, "X-Signature": sign(method, sent, timestamp, secret, body)}
    if body is not None:
        headers["Content-Type"] = "application/json; charset=utf-8"
    return Request(method, url, call, is_idempotent, headers, body or b"")


def _taken(response: Response, document: Document) -> Taken:
    if response.status == HTTPStatus.CONFLICT and error_code(response.body) == REFERENCE_USED:
        raise Conflict(REFERENCE_USED, "the warehouse has another document under this reference")
    return read_taken(_body(response, "feed.place"), document)


def _stopped(response: Response, reference: str) -> Stop:
    if _is_unknown_reference(response):
        raise Conflict(UNKNOWN_REFERENCE, "the warehouse has no document of this reference")
    return read_stop(_body(response, "feed.stop"), reference)


def _found(response: Response, reference: str) -> Found | None:
    return None if _is_unknown_reference(response) else read_found(_body(response, "feed.find"), reference)


def _is_unknown_reference(response: Response) -> bool:
    """A 404 of anything but the warehouse's own orders, as of a wrong endpoint, says nothing of a document."""
    return response.status == HTTPStatus.NOT_FOUND and error_code(response.body) == UNKNOWN_REFERENCE


def _body(response: Response, call: str) -> bytes:
    if not response.is_ok:
        raise Malformed(f"http_{response.status}", "the feed answered with an error", {"call": call})
    return response.body
