import asyncio
import errno
import gzip
import socket
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from adapters.http_client import RETRY_AFTER_MAX_S, RETRY_ATTEMPTS_MAX, Request, authority_of, post_form, retry_after_s
from domain.errors import FulfilmentError, Malformed, Misconfigured, Throttled, Transient, UnknownOutcome


def ask(url: str, **changed) -> Request:
    return Request(**{"method": "GET", "url": url, "call": "ask", "is_idempotent": True, **changed})


def create(url: str, **changed) -> Request:
    return ask(url, **{"method": "POST", "call": "create", "is_idempotent": False, "body": b"x=1", **changed})


async def fault(door, request: Request) -> FulfilmentError:
    with pytest.raises(FulfilmentError) as caught:
        await door.send(request)
    return caught.value


async def always(wire, **answer):
    while True:
        await wire.receive()
        await wire.answer(**answer)


async def test_an_answer_comes_back_whole(serve, open_door):
    server = await serve(lambda wire: always(wire, body=b'{"a":1}', X_Mark="m"))
    door = await open_door(server.host)

    response = await door.send(post_form(f"{server.url}/p", "call", {"a": "b c", "城": "京"}, is_idempotent=False))

    assert (response.status, response.body, response.headers["x-mark"]) == (200, b'{"a":1}', "m")
    assert server.received[0].body == b"a=b+c&%E5%9F%8E=%E4%BA%AC"


async def test_the_address_is_sent_exactly_as_written(serve, open_door):
    server = await serve(always)
    door = await open_door(server.host)

    await door.send(ask(f"{server.url}/events?after=a%2Fb%3D%7E+c&limit=5"))

    assert server.received[0].target == "/events?after=a%2Fb%3D%7E+c&limit=5"


async def test_one_connection_serves_fifty_calls(serve, open_door):
    server = await serve(always)
    door = await open_door(server.host)

    for _ in range(50):
        await door.send(ask(server.url))

    tally = door.tallies[server.host]
    assert server.connections == 1
    assert (tally.attempts, tally.connections, tally.failures, tally.bytes_in) == (50, 1, 0, 100)


async def test_connections_to_one_host_are_bounded(serve, open_door):
    server = await serve(always)
    door = await open_door(server.host, connections_per_host=3)

    await asyncio.gather(*(door.send(ask(server.url)) for _ in range(20)))

    assert server.connections <= 3


@pytest.mark.parametrize("build", [ask, create])
async def test_a_refused_connection_is_transient_even_for_a_create(open_door, closed_host, build):
    door = await open_door(closed_host)

    error = await fault(door, build(f"http://{closed_host}/"))

    assert type(error) is Transient
    assert door.tallies[closed_host].attempts == RETRY_ATTEMPTS_MAX


@pytest.mark.parametrize("build", [ask, create])
@pytest.mark.parametrize(
    "error", [socket.gaierror(socket.EAI_AGAIN, "no resolver"), OSError(errno.EMFILE, "no descriptor left")]
)
async def test_without_a_resolver_or_a_descriptor_nothing_leaves(open_door, monkeypatch, build, error):
    async def fail(*_args, **_kwargs):
        raise error

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", fail)
    door = await open_door("courier.test:80")

    assert type(await fault(door, build("http://courier.test/"))) is Transient


async def test_quick_attempts_heal_a_short_fault(serve, open_door):
    async def second_time_lucky(wire):
        await wire.receive()
        if server.connections == 1:
            wire.reset()
        else:
            await wire.answer()

    server = await serve(second_time_lucky)
    door = await open_door(server.host)

    assert (await door.send(ask(server.url, method="POST"))).status == 200
    assert server.connections == 2


async def reset_after_request(wire):
    await wire.receive()
    wire.reset()


@pytest.mark.parametrize(("build", "kind", "arrivals"), [(ask, Transient, 8), (create, UnknownOutcome, 1)])
async def test_a_reset_after_the_request_was_read(serve, open_door, build, kind, arrivals):
    server = await serve(reset_after_request)
    door = await open_door(server.host)

    error = await fault(door, build(server.url))

    assert type(error) is kind
    # A GET is repeated by the door (4) and, unasked, by the client library (2 each).
    assert len(server.received) <= arrivals
    assert "127.0.0.1" not in str(error)


async def test_a_reset_before_a_byte_was_read_leaves_a_create_open(serve, open_door):
    async def slam(wire):
        wire.reset()

    server = await serve(slam)
    door = await open_door(server.host)

    assert type(await fault(door, create(server.url))) is UnknownOutcome
    assert server.connections == 1


async def dies_on_second_request(wire):
    await wire.receive()
    await wire.answer()
    await wire.receive()
    wire.reset()


async def test_a_create_on_a_dead_kept_connection_is_sent_once(serve, open_door):
    server = await serve(dies_on_second_request)
    door = await open_door(server.host)
    await door.send(create(server.url))

    assert type(await fault(door, create(server.url))) is UnknownOutcome
    assert len(server.received) == 2


async def test_control_the_client_itself_repeats_a_get_on_a_dead_kept_connection(serve, open_door):
    server = await serve(dies_on_second_request)
    door = await open_door(server.host)
    await door.send(ask(server.url))

    await door.send(ask(server.url))

    assert len(server.received) == 3
    assert door.tallies[server.host].attempts == 2


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_so_a_request_that_must_not_be_repeated_cannot_use_such_a_method(method):
    with pytest.raises(ValueError, match="POST"):
        Request(method, "http://h/", "create", is_idempotent=False)


@pytest.mark.parametrize(("build", "kind"), [(ask, Transient), (create, UnknownOutcome)])
async def test_slow_headers(serve, open_door, build, kind):
    async def silent(wire):
        await wire.receive()
        await wire.client_gone()

    server = await serve(silent)
    door = await open_door(server.host, read_s=0.05, total_s=0.15)

    error = await fault(door, build(server.url))

    assert (type(error), error.code) == (kind, "timed_out")


async def test_a_body_that_stalls_ends_at_the_read_limit(serve, open_door):
    async def stalls(wire):
        await wire.receive()
        await wire.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        await wire.client_gone()

    server = await serve(stalls)
    door = await open_door(server.host, read_s=0.05)

    error = await fault(door, create(server.url))

    assert (type(error), error.code) == (UnknownOutcome, "timed_out")


async def test_a_dripping_body_ends_at_the_total_limit(serve, open_door):
    async def drips(wire):
        await wire.receive()
        await wire.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not wire.writer.is_closing():
            await wire.write(b".")
            await asyncio.sleep(0.01)

    server = await serve(drips)
    door = await open_door(server.host, read_s=5.0)

    error = await fault(door, create(server.url, total_s=0.1))

    assert (type(error), error.code) == (UnknownOutcome, "timed_out")


async def test_all_attempts_share_the_total_limit(serve, open_door):
    async def silent(wire):
        await wire.receive()
        await wire.client_gone()

    server = await serve(silent)
    door = await open_door(server.host, read_s=5.0)
    started = asyncio.get_running_loop().time()

    await fault(door, ask(server.url, total_s=0.2))

    assert asyncio.get_running_loop().time() - started < 2.0


async def test_a_slow_failure_is_not_tried_again(serve, open_door, monkeypatch):
    monkeypatch.setattr("adapters.http_client.RETRY_SPAN_S", 0.05)

    async def silent(wire):
        await wire.receive()
        await wire.client_gone()

    server = await serve(silent)
    door = await open_door(server.host, read_s=0.1, total_s=5.0)

    assert type(await fault(door, ask(server.url))) is Transient
    assert len(server.received) == 1


async def test_a_body_cut_short(serve, open_door):
    async def cut(wire):
        await wire.receive()
        await wire.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")

    server = await serve(cut)
    door = await open_door(server.host)

    assert type(await fault(door, create(server.url))) is UnknownOutcome
    assert type(await fault(door, ask(server.url))) is Transient


async def test_what_is_not_http_is_malformed(serve, open_door):
    async def babble(wire):
        await wire.receive()
        await wire.write(b"220 smtp.example ESMTP\r\n\r\n")

    server = await serve(babble)
    door = await open_door(server.host)

    assert type(await fault(door, create(server.url))) is Malformed


@pytest.mark.parametrize("announced", [True, False])
async def test_an_oversize_body_is_not_read_to_its_end(serve, open_door, announced):
    written = 0

    async def floods(wire):
        nonlocal written
        await wire.receive()
        length = b"Content-Length: 100000000\r\n" if announced else b""
        await wire.write(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n")
        while written < 100_000_000:
            await wire.write(b"x" * 65536)
            written += 65536

    server = await serve(floods)
    door = await open_door(server.host, body_max_bytes=100_000)

    error = await fault(door, ask(server.url))

    assert (type(error), error.code) == (Malformed, "body_too_large")
    assert written < 50_000_000


async def test_control_the_same_body_passes_under_a_higher_limit(serve, open_door):
    server = await serve(lambda wire: always(wire, body=b"x" * 200_000))
    door = await open_door(server.host, body_max_bytes=200_000)

    assert len((await door.send(ask(server.url))).body) == 200_000


async def test_the_limit_counts_unpacked_bytes(serve, open_door):
    packed = gzip.compress(b"0" * 5_000_000)
    server = await serve(lambda wire: always(wire, body=packed, Content_Encoding="gzip"))
    door = await open_door(server.host, body_max_bytes=100_000)

    assert len(packed) < 100_000
    assert (await fault(door, ask(server.url))).code == "body_too_large"


async def test_no_socket_opens_to_a_host_that_is_not_configured(serve, open_door):
    server = await serve(always)
    door = await open_door("127.0.0.1:1")

    error = await fault(door, ask(server.url))

    assert (type(error), error.code) == (Misconfigured, "host_not_allowed")
    assert server.connections == 0


@pytest.mark.parametrize(
    "address", ["ftp://h/", "http:///x", "h/x", "", "http://user:word@h/", "http://h:99999/", "file:///etc/passwd"]
)
async def test_what_is_no_plain_web_address_is_refused(open_door, address):
    door = await open_door("h:80")

    assert (await fault(door, ask(address))).code in {"endpoint_invalid", "host_not_allowed"}


def test_a_place_is_host_and_port():
    assert authority_of("https://eco.taobao.com/router/rest") == "eco.taobao.com:443"
    assert authority_of("http://127.0.0.1:8080") == "127.0.0.1:8080"


@pytest.mark.parametrize(("build", "kind"), [(ask, Misconfigured), (create, Malformed)])
async def test_redirects_are_not_followed(serve, open_door, build, kind):
    other = await serve(always)
    server = await serve(lambda wire: always(wire, status=302, Location=f"{other.url}/"))
    door = await open_door(server.host, other.host)

    error = await fault(door, build(server.url))

    assert (type(error), error.code) == (kind, "redirected")
    assert other.connections == 0


@pytest.mark.parametrize(
    ("status", "header", "after_s"),
    [
        (429, "7", 7.0),
        (429, "Sun, 22 Nov 2026 02:01:30 GMT", 90.0),
        (429, "Sun, 22 Nov 2026 01:00:00 GMT", 0.0),
        (429, "soon", 5.0),
        (429, "99999999", RETRY_AFTER_MAX_S),
    ],
)
async def test_throttled(serve, open_door, status, header, after_s):
    server = await serve(lambda wire: always(wire, status=status, Retry_After=header))
    door = await open_door(server.host)

    error = await fault(door, create(server.url))

    assert (type(error), error.after_s) == (Throttled, after_s)
    assert len(server.received) == 1


@pytest.mark.parametrize("value", ["", "-1", "1.5", "٣", "Sun, 99 Nov 2026", "\x00"])
def test_an_unreadable_retry_after_is_none(value):
    assert retry_after_s(value, datetime(2026, 11, 22, tzinfo=UTC)) is None


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
async def test_server_failures(serve, open_door, status):
    server = await serve(lambda wire: always(wire, status=status))
    door = await open_door(server.host)

    assert type(await fault(door, create(server.url))) is UnknownOutcome
    assert len(server.received) == 1
    assert type(await fault(door, ask(server.url))) is Transient
    assert len(server.received) == 1 + RETRY_ATTEMPTS_MAX


@pytest.mark.parametrize("status", [401, 403])
async def test_unaccepted_credentials_stop_the_account(serve, open_door, status):
    server = await serve(lambda wire: always(wire, status=status))
    door = await open_door(server.host)

    assert type(await fault(door, create(server.url))) is Misconfigured


async def test_other_client_errors_are_for_the_protocol_to_judge(serve, open_door):
    server = await serve(lambda wire: always(wire, status=422, body=b"why"))
    door = await open_door(server.host)

    response = await door.send(create(server.url))

    assert (response.is_ok, response.status, response.body) == (False, 422, b"why")


async def test_cancellation_is_passed_on_and_hangs_up(serve, open_door):
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def silent(wire):
        await wire.receive()
        arrived.set()
        await wire.client_gone()
        gone.set()

    server = await serve(silent)
    door = await open_door(server.host)
    call = asyncio.ensure_future(door.send(create(server.url)))
    await asyncio.wait_for(arrived.wait(), 5)

    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.wait_for(gone.wait(), 5)


async def test_logs_and_reprs_show_no_secret(serve, open_door):
    server = await serve(lambda wire: always(wire, body=b"answer-secret"))
    door = await open_door(server.host)
    request = create(f"{server.url}/path?key=query-secret", headers={"X-Key": "header-secret"}, body=b"body-secret")

    with capture_logs() as entries:
        response = await door.send(request)
        await door.send(ask(f"{server.url}/path-secret", hides_path=True))

    assert "secret" not in f"{entries} {request!r} {response!r}"
    entry = entries[0]
    assert (entry["call"], entry["path"], entry["status"], entry["bytes_in"]) == ("create", "/path", 200, 13)


async def test_a_failed_call_is_logged_with_its_outcome(serve, open_door):
    server = await serve(reset_after_request)
    door = await open_door(server.host)

    with capture_logs() as entries:
        await fault(door, create(server.url))

    assert [(entry["log_level"], entry["outcome"]) for entry in entries] == [("info", "connection_failed")]


async def test_no_cookie_is_kept(serve, open_door):
    server = await serve(lambda wire: always(wire, Set_Cookie="session=1"))
    door = await open_door(server.host)

    await door.send(ask(server.url))
    await door.send(ask(server.url))

    assert "cookie" not in server.received[1].headers
