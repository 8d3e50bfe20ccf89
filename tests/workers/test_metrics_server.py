"""Connections that say nothing keep no thread and no scrape away."""

import contextlib
import socket
import threading
import urllib.request

import pytest
from prometheus_client import CollectorRegistry, start_http_server

from workers import metrics_server
from workers.metrics_server import CONNECTION_MAX_S, CONNECTIONS_MAX, THREADS_MAX, MetricsServer


def fine(_environ, start):
    start("200 OK", [])
    return [b"fine"]


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def server(clock):
    server = MetricsServer("127.0.0.1", 0, clock)
    server.set_app(fine)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def half_open(server):
    """Open so many connections that never say a whole request."""
    with contextlib.ExitStack() as stack:

        def open_(count, port=None):
            made = []
            for _ in range(count):
                one = stack.enter_context(
                    socket.create_connection(("127.0.0.1", port or server.server_port), timeout=30)
                )
                one.sendall(b"GET /metrics HTT")
                made.append(one)
            return made

        yield open_


def scraped(port):
    return urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30).read()


def test_a_scrape_comes_through_a_hundred_half_open_connections(server, half_open):
    cut = half_open(100)
    assert scraped(server.server_port) == b"fine"
    # The oldest are cut: reading from them ends.
    assert all(one.recv(1) == b"" for one in cut[: 100 - CONNECTIONS_MAX])
    assert server.threads <= THREADS_MAX


def test_a_connection_that_lasts_too_long_is_cut(server, half_open, clock):
    (slow,) = half_open(1)
    assert scraped(server.server_port) == b"fine"
    clock.now = CONNECTION_MAX_S + 1
    assert slow.recv(1) == b""


def test_more_threads_than_may_work_are_not_begun(server, half_open, monkeypatch):
    monkeypatch.setattr(metrics_server, "THREADS_MAX", 0)
    (refused,) = half_open(1)
    with contextlib.suppress(ConnectionResetError):
        assert refused.recv(1) == b""
    assert server.threads == 0


def test_control_the_library_s_own_server_keeps_a_thread_for_each(half_open):
    before = threading.active_count()
    server, thread = start_http_server(0, "127.0.0.1", CollectorRegistry())
    try:
        half_open(20, server.server_port)
        scraped(server.server_port)
        assert threading.active_count() >= before + 20
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
