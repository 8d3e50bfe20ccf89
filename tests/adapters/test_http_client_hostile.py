"""Servers, and settings, that write what no server should: an answer or an error of the tree, and nothing leaks."""

import contextlib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.http_client import RETRY_AFTER_MAX_S, Request, retry_after_s
from domain.errors import FulfilmentError, Misconfigured, Transient

DATE_LIKE = r"[A-Z][a-z]{2}, [0-9]{1,5} [A-Z][a-z]{2} [0-9]{1,12} [0-9:]{5,8} [+A-Z0-9]*"


def create(url: str) -> Request:
    return Request("POST", url, "create", is_idempotent=False, body=b"x=1")


async def fault(door, request: Request) -> FulfilmentError:
    with pytest.raises(FulfilmentError) as caught:
        await door.send(request)
    return caught.value


async def always(wire):
    while True:
        await wire.receive()
        await wire.answer()


@pytest.mark.parametrize(
    "value",
    [
        *("²", "１２", "Sun, 06 Nov 99999999999 08:49:37 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "1e3", "NaN"),
        *("Fri, 31 Dec 9999 23:59:59 -2359", "Sun, 06 Nov 1994 08:49:37 +9999999999", "Sun, 06 Nov 1994 99:99:99 GMT"),
        *("1 1 1 1 1 1", "Sun, 06 Nov 1894 08:49:37 GMT", "9" * 5_000, " ", "\r\n", "\ud800", "Infinity", "-0"),
        *("Mon, 01 Jan 2026 00:00:00 " + "A" * 70, "Mon Nov 22 02:00:00", "0 Jan 2026 00:00:00 GMT"),
    ],
)
def test_no_retry_after_raises(value):
    assert retry_after_s(value, datetime(2026, 11, 22, tzinfo=UTC)) is None


@given(st.text(max_size=60) | st.from_regex(DATE_LIKE))
def test_any_retry_after_is_a_bounded_wish_or_none(value):
    wish = retry_after_s(value, datetime(2026, 11, 22, tzinfo=UTC))
    assert wish is None or 0.0 <= wish <= RETRY_AFTER_MAX_S


def test_the_parser_of_dates_alone_raises_what_it_comes_across():
    """The control."""
    with pytest.raises(OverflowError):
        parsedate_to_datetime("Sun, 06 Nov 99999999999 08:49:37 GMT")


@pytest.mark.parametrize("text", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\x00b", "a\ud800", "\x1b[0m"])
@pytest.mark.parametrize("in_name", [False, True])
async def test_a_header_that_no_line_can_hold_is_a_setting_at_fault_and_nothing_leaves(serve, open_door, text, in_name):
    server = await serve(always)
    door = await open_door(server.host)
    headers = {text: "x"} if in_name else {"X-Region": text}

    error = await fault(door, Request("POST", server.url, "create", is_idempotent=False, headers=headers))

    assert (type(error), error.code) == (Misconfigured, "header_invalid")
    assert text not in f"{error} {error.facts}"
    assert server.received == []


async def test_headers_in_other_scripts_and_tabs_are_sent(serve, open_door):
    server = await serve(always)
    door = await open_door(server.host)

    await door.send(Request("GET", server.url, "read", is_idempotent=True, headers={"X-Name": "a\tb"}))

    assert server.received[0].headers["x-name"] == "a\tb"


@pytest.mark.parametrize("path", ["/a b", "/a\r\nX: 1", "/\x00", "/\ud800"])
async def test_an_address_that_no_request_line_can_hold_is_a_setting_at_fault(serve, open_door, path):
    server = await serve(always)
    door = await open_door(server.host)

    error = await fault(door, create(server.url + path))

    assert (type(error), error.code) == (Misconfigured, "endpoint_invalid")
    assert server.received == []


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: \xc2\xb2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 100_000 + b"\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(40_000)) + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffffffffff\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 99999999999 OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 \xff\xfe\r\nSet-Cookie: \xff=\x01; expires=x\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 503 X\r\nRetry-After: \xc2\xb2\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 429 X\r\nRetry-After: Sun, 06 Nov 99999999999 08:49:37 GMT\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"\x00" * 100,
        b"",
    ],
)
async def test_whatever_a_server_writes_ends_in_an_answer_or_an_error_of_the_tree(serve, open_door, answer):
    async def handle(wire):
        await wire.receive()
        await wire.write(answer)
        wire.writer.close()

    server = await serve(handle)
    door = await open_door(server.host, read_s=0.5, total_s=1.0)

    with contextlib.suppress(FulfilmentError):
        await door.send(create(server.url))

    assert len(server.received) == 1, "a call that books is not repeated"


async def test_what_the_client_raises_outside_its_own_tree_is_an_error_of_ours(serve, open_door, monkeypatch):
    server = await serve(always)
    door = await open_door(server.host)

    def fails(*_, **__):
        raise ZeroDivisionError("13812345678")

    monkeypatch.setattr(door._session, "request", fails)

    error = await fault(door, create(server.url))

    assert (type(error), error.facts["cause"]) == (Transient, "ZeroDivisionError")
    assert "13812345678" not in str(error)
