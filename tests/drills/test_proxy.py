import socket
import socketserver
import threading
import time

import pytest

from drills.lines import GARBAGE, Liar
from drills.proxy import Fault, Proxy
from drills.unclear import CREATE, OnceEach
from infra.engine.event_loop import EventLoopThread


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while heard := self.request.recv(65536):
            self.server.heard.append(heard)
            self.request.sendall(b"you said " + heard)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    heard: list[bytes]


@pytest.fixture
def server():
    with Server(("127.0.0.1", 0), Echo) as server:
        server.heard = []
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def proxy(server):
    with EventLoopThread() as event_loop, Proxy(event_loop, server.server_address) as proxy:
        yield proxy


@pytest.fixture
def line(proxy):
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as line:
        yield line


def ask(line, text):
    line.sendall(text)
    try:
        return line.recv(65536)
    except ConnectionResetError:
        return b""


def test_unharmed_it_passes_on_both_ways(line):
    assert ask(line, b"one") == b"you said one"
    assert ask(line, b"two") == b"you said two"


def test_a_lost_reply_was_asked_for(proxy, line, server):
    proxy.judge = lambda request: Fault("lost", is_lost=True) if b"book" in request else None
    assert ask(line, b"hello") == b"you said hello"
    assert ask(line, b"book") == b""
    assert server.heard == [b"hello", b"book"]
    assert proxy.struck == {"lost": 1}


def test_a_reply_can_be_replaced_and_late(proxy, line):
    proxy.judge = lambda _request: Fault("odd", late_s=0.2, reply=b"nonsense")
    began_at = time.monotonic()
    assert ask(line, b"hello") == b"nonsense"
    assert time.monotonic() - began_at >= 0.2


def test_a_cut_ends_what_is_open_and_refuses_what_is_new(proxy, line):
    assert ask(line, b"one") == b"you said one"
    proxy.cut()
    assert ask(line, b"two") == b""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as late:
        assert ask(late, b"three") == b""
    proxy.mend()
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as again:
        assert ask(again, b"four") == b"you said four"


def test_unix_sockets_work_as_well(server, tmp_path):
    with EventLoopThread() as event_loop, Proxy(event_loop, server.server_address, tmp_path / "line") as proxy:
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(tmp_path / "line"))
            assert ask(line, b"one") == b"you said one"
        assert not proxy.struck


def test_one_reply_of_that_kind_is_lost():
    judge = OnceEach(CREATE, 2)
    assert [judge(CREATE) is not None for _ in range(4)] == [False, True, False, False]
    assert judge(b"other") is None


class Dice:
    def __init__(self, *rolls):
        self.rolls = list(rolls)

    def random(self):
        return self.rolls.pop(0)

    def choice(self, _choices):
        return GARBAGE


def test_a_liar_lies_about_its_share_of_bookings():
    judge = Liar(Dice(0.1, 0.3), share=0.2)
    assert judge(b"look-up") is None
    assert judge(CREATE) is GARBAGE
    assert judge(CREATE) is None
