"""The door: all HTTP requests to other systems go through this module.

It handles time limits, sizes, hosts and the meaning of a failure for the caller; it knows no protocol. Outcome:

- nothing of the request left the process: Transient, whatever the request was;
- something left, and repeating is harmless: Transient; otherwise UnknownOutcome;
- the other side asks for patience (429; 503 with Retry-After if repeating is harmless, for a gateway may say so of a
  request that was passed on): Throttled;
- a host that is not configured, a name that resolves to a machine inside, or a header that no line can hold:
  Misconfigured, and nothing left;
- 401, 403: Misconfigured, although a firewall may mean this request only: the account's guard finds that out;
- 3xx: never followed; other 4xx: returned, the protocol must judge the body.

Only `Transient` is tried again in here, for about two seconds; all attempts share one total limit. The account's guard
counts each attempt, and allows none to a call that tries whether a sick account works again.
Logged are call name, host, path, status, duration and sizes: never a query, a header or a body.
"""

import asyncio
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http import HTTPStatus
from types import SimpleNamespace, TracebackType
from typing import Self
from urllib.parse import urlencode

import aiohttp
from tenacity import (
    AsyncRetrying,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)
from yarl import URL

from adapters.instants import within
from adapters.resolver import OutsideResolver
from domain.errors import (
    Facts,
    FulfilmentError,
    Malformed,
    Misconfigured,
    Throttled,
    Transient,
    UnknownOutcome,
    keep_evidence,
)
from infra.accounts.repeats import may_repeat
from infra.config import settings
from infra.process.clock import Clock
from infra.telemetry.log import get_logger

log = get_logger(__name__)

RETRY_SPAN_S = 2.0
RETRY_ATTEMPTS_MAX = 4
THROTTLED_DEFAULT_S = 5.0
# The longest Retry-After that is followed, so that a wrong header cannot stop an account for days.
RETRY_AFTER_MAX_S = 3600.0
# A longer Retry-After is neither a date nor a number of seconds.
_RETRY_AFTER_TEXT_MAX = 64
_CHUNK_BYTES = 64 * 1024
# Characters that end a header line, or that a header line cannot carry.
_NOT_IN_HEADERS = re.compile("[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_NOT_IN_ADDRESSES = re.compile("[\x00-\x20\x7f\ud800-\udfff]")
# aiohttp itself repeats these once when a kept-alive connection turns out to be dead.
_REPEATED_BY_CLIENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})


@dataclass(frozen=True, slots=True)
class Request:
    """One call. `url` is sent exactly as written, because signatures cover it.

    `call` names it in logs; `is_idempotent` says that a repetition is harmless; `total_s` replaces the
    client's total limit; `hides_path` keeps a path that is itself a secret out of the logs.
    """

    method: str
    url: str = field(repr=False)
    call: str
    is_idempotent: bool
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    total_s: float | None = None
    hides_path: bool = False

    def __post_init__(self) -> None:
        if not self.is_idempotent and self.method in _REPEATED_BY_CLIENT:
            raise ValueError(f"{self.method} may be repeated by the HTTP client: send a POST")


@dataclass(frozen=True, slots=True)
class Response:
    """A complete answer, 2xx or 4xx. Header names are lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def is_ok(self) -> bool:
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


@dataclass(slots=True)
class HostTally:
    """What was sent to one host. `attempts` counts quick repetitions too."""

    attempts: int = 0
    failures: int = 0
    connections: int = 0
    bytes_out: int = 0
    bytes_in: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class _Exchange:
    """One attempt, filled in by the client's trace."""

    has_left: bool = False
    connections: int = 0
    status: int = 0
    bytes_in: int = 0


def post_form(url: str, call: str, params: Mapping[str, str], *, is_idempotent: bool) -> Request:
    """A form POST in UTF-8."""
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    return Request("POST", url, call, is_idempotent, headers, urlencode(params).encode())


class HttpClient:
    """Open it on the event loop that sends. `sleep` is what waits between quick attempts.

    `hosts` holds ``host:port`` of every configured endpoint.
    """

    def __init__(
        self,
        limits: settings.HttpLimits,
        hosts: frozenset[str],
        clock: Clock,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.tallies: defaultdict[str, HostTally] = defaultdict(HostTally)
        self._limits = limits
        self._hosts = hosts
        self._clock = clock
        self._sleep = sleep
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,
                limit_per_host=self._limits.connections_per_host,
                resolver=OutsideResolver(self._limits.inside_hosts),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "orderlane"},
            trace_configs=[_trace()],
        )
        return self

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def send(self, request: Request) -> Response:
        """Send a request and return a 2xx or 4xx answer. Raises Misconfigured, Throttled, Transient or UnknownOutcome;
        the module's docstring says which when. Takes at most `request.total_s` seconds, else the door's limit, quick
        repetitions included.
        """
        url = self._admit(request)
        started = self._clock.monotonic()
        deadline = started + (request.total_s or self._limits.total_s)
        try:
            return await self._attempt(request, url, deadline)
        except Transient as error:
            span_s = started + RETRY_SPAN_S - self._clock.monotonic()
            return await self._again(request, url, deadline, error, span_s)

    async def _again(self, request: Request, url: URL, deadline: float, first: Transient, span_s: float) -> Response:
        """Further quick attempts, begun within `span_s`. Only a failed call runs this code."""
        failures = [first]

        async def attempt() -> Response:
            if failures:
                raise failures.pop()
            return await self._attempt(request, url, deadline)

        retrying = AsyncRetrying(
            retry=retry_if_exception(lambda error: isinstance(error, Transient) and may_repeat()),
            stop=stop_before_delay(span_s) | stop_after_attempt(RETRY_ATTEMPTS_MAX),
            wait=wait_random_exponential(multiplier=0.1, max=1.0),
            sleep=self._sleep,
            reraise=True,
        )
        return await retrying(attempt)

    def _admit(self, request: Request) -> URL:
        try:
            url, authority = _parsed(request.url)
        except ValueError:
            raise Misconfigured("endpoint_invalid", "not an http(s) address", {"call": request.call}) from None
        if authority not in self._hosts:
            raise Misconfigured("host_not_allowed", f"{authority} is not a configured endpoint", {"host": authority})
        for name, value in request.headers.items():
            if not (name.isprintable() and value.isprintable()) and _NOT_IN_HEADERS.search(name + value):
                facts = {"call": request.call, "header": name.encode("ascii", "replace").decode()}
                raise Misconfigured("header_invalid", "a header holds what no header line can", facts)
        return url

    async def _attempt(self, request: Request, url: URL, deadline: float) -> Response:
        if self._session is None:
            raise RuntimeError("the HTTP client is not open")
        exchange = _Exchange()
        started = self._clock.monotonic()
        outcome = "cancelled"
        try:
            response = await self._exchange(self._session, request, url, deadline - started, exchange)
            try:
                self._judge(request, response)
            except FulfilmentError as error:
                keep_evidence(error, response.body)
                raise
            outcome = "ok"
        except FulfilmentError as error:
            outcome = error.code
            raise
        else:
            return response
        finally:
            self._record(request, url, exchange, self._clock.monotonic() - started, outcome)

    async def _exchange(
        self, session: aiohttp.ClientSession, request: Request, url: URL, left_s: float, exchange: _Exchange
    ) -> Response:
        if left_s <= 0:
            raise Transient("timed_out", "no time left for another attempt", {"call": request.call})
        limits = aiohttp.ClientTimeout(total=left_s, sock_connect=self._limits.connect_s, sock_read=self._limits.read_s)
        try:
            async with session.request(
                request.method,
                url,
                headers=request.headers,
                data=request.body or None,
                allow_redirects=False,
                timeout=limits,
                trace_request_ctx=exchange,
            ) as answer:
                exchange.status = answer.status
                body = await self._read(answer, exchange)
                headers = {name.lower(): value for name, value in answer.headers.items()}
                return Response(answer.status, headers, body)
        except FulfilmentError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever an answer makes the client raise is an answer of theirs
            # Error texts of the client may quote the address with its query, so the cause is not chained.
            raise _failure(request, error, has_left=exchange.has_left) from None

    async def _read(self, answer: aiohttp.ClientResponse, exchange: _Exchange) -> bytes:
        cap = self._limits.body_max_bytes
        parts: list[bytes] = []
        announced = answer.content_length or 0
        if announced <= cap:
            async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
                parts.append(chunk)
                exchange.bytes_in += len(chunk)
                if exchange.bytes_in > cap:
                    break
        if max(announced, exchange.bytes_in) > cap:
            answer.close()
            raise Malformed("body_too_large", "the answer is over the size limit", {"limit_bytes": cap})
        return b"".join(parts)

    def _judge(self, request: Request, response: Response) -> None:
        status = response.status
        facts: Facts = {"call": request.call, "status": status}
        wish = response.headers.get("retry-after")
        after_s = retry_after_s(wish, self._clock.utcnow()) if wish else None
        if after_s is not None:
            facts = {**facts, "after_s": after_s}
        is_away = status == HTTPStatus.SERVICE_UNAVAILABLE and after_s is not None
        if status == HTTPStatus.TOO_MANY_REQUESTS or (is_away and request.is_idempotent):
            raise Throttled(f"http_{status}", facts=facts, after_s=THROTTLED_DEFAULT_S if after_s is None else after_s)
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise Misconfigured(f"http_{status}", "the server accepts neither us nor this request", facts)
        if status == HTTPStatus.REQUEST_TIMEOUT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise _by_repeatability(request, f"http_{status}", "the server failed", facts)
        if not response.is_ok and status < HTTPStatus.BAD_REQUEST:
            kind = Misconfigured if request.is_idempotent else Malformed
            raise kind("redirected", "redirects are not followed: correct the endpoint", facts)

    def _record(self, request: Request, url: URL, exchange: _Exchange, seconds: float, outcome: str) -> None:
        _, host = _parsed(request.url)
        tally = self.tallies[host]
        tally.attempts += 1
        tally.failures += outcome != "ok"
        tally.connections += exchange.connections
        tally.bytes_out += len(request.body) if exchange.has_left else 0
        tally.bytes_in += exchange.bytes_in
        tally.seconds += seconds
        write = log.debug if outcome == "ok" else log.info
        write(
            "call",
            call=request.call,
            method=request.method,
            host=host,
            path="" if request.hides_path else url.raw_path,
            status=exchange.status,
            outcome=outcome,
            duration_ms=round(seconds * 1000, 1),
            bytes_in=exchange.bytes_in,
        )


def authority_of(address: str) -> str:
    """``host:port`` of an http(s) address. Raises ValueError for anything else, and for credentials in it."""
    return _authority(URL(address, encoded=True))


@lru_cache(maxsize=4096)
def _parsed(address: str) -> tuple[URL, str]:
    """The address as it is sent, and its ``host:port``. Cached: the same endpoints are used again and again, and
    parsing costs more than a look-up.
    """
    if _NOT_IN_ADDRESSES.search(address):
        raise ValueError("not a plain http(s) address")
    url = URL(address, encoded=True)
    return url, _authority(url)


def _authority(url: URL) -> str:
    if url.scheme not in {"http", "https"} or not url.host or url.user or url.password:
        raise ValueError("not a plain http(s) address")
    return f"{url.host}:{url.port}"


def retry_after_s(value: str, now: datetime) -> float | None:
    """Seconds a Retry-After header asks for, bounded; None when it is absent or unreadable (RFC 9110, 10.2.3)."""
    value = value.strip()
    if re.fullmatch(r"[0-9]{1,9}", value):
        return min(float(value), RETRY_AFTER_MAX_S)
    if len(value) > _RETRY_AFTER_TEXT_MAX:
        return None
    try:
        moment = parsedate_to_datetime(value)
        moment = within(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        return min(max((moment - now).total_seconds(), 0.0), RETRY_AFTER_MAX_S)
    except Exception:  # noqa: BLE001 - the parser of dates raises what it comes across
        return None


def _trace() -> aiohttp.TraceConfig:
    """Marks the attempt just before its first byte is handed to the socket, so a doubtful case counts as "left"."""

    async def left(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
        context.trace_request_ctx.has_left = True

    async def connected(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
        context.trace_request_ctx.connections += 1

    config = aiohttp.TraceConfig()
    config.on_request_headers_sent.append(left)
    config.on_connection_create_end.append(connected)
    return config


def _failure(request: Request, error: Exception, *, has_left: bool) -> FulfilmentError:
    facts: Facts = {"call": request.call, "cause": type(error).__name__}
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return Misconfigured("certificate_invalid", "the server's certificate is not trusted", facts)
    if isinstance(error, aiohttp.InvalidURL):
        return Misconfigured("endpoint_invalid", "not an http(s) address", facts)
    if isinstance(error, aiohttp.ClientResponseError):
        return Malformed("http_malformed", "the answer is not HTTP", facts)
    code = "timed_out" if isinstance(error, TimeoutError) else "connection_failed"
    if not has_left:
        return Transient(code, "the request did not leave", facts)
    return _by_repeatability(request, code, "no complete answer", facts)


def _by_repeatability(request: Request, code: str, message: str, facts: Facts) -> Transient | UnknownOutcome:
    return (Transient if request.is_idempotent else UnknownOutcome)(code, message, facts)
