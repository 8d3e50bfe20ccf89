import socket
from contextlib import ExitStack

import pytest

from infra.config.secret import Secret
from infra.config.settings import Channel, CourierContract, HttpLimits, Settings, Shop
from infra.process.clock import SystemClock
from ops.doctor import accounts
from ops.doctor.check import Level

COMPLETE = {name: Secret("x") for name in ("app_key", "app_secret", "session")}


def shop(endpoint: str, credentials=COMPLETE, platform: str = "taobao") -> Shop:
    return Shop(name="main", platform=platform, endpoint=endpoint, credentials=credentials)


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def closed():
    """A port that was free a moment ago, and that nobody listens on."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{reserved.getsockname()[1]}"


def test_complete_accounts_are_one_line() -> None:
    (check,) = accounts.credentials(Settings(shops=(shop("http://127.0.0.1:1/x"),)), SystemClock())
    assert check.level is Level.OK


@pytest.mark.parametrize(
    ("settings", "account", "words"),
    [
        (Settings(shops=(shop("http://h", {}),)), "taobao/main", "credential_missing"),
        (Settings(shops=(shop("http://h", platform="ebay"),)), "ebay/main", "platform_unknown"),
        (
            Settings(couriers=(CourierContract(name="m", courier="sf", endpoint="http://h", credentials={}),)),
            "sf/m",
            "credential_missing",
        ),
        (
            Settings(channels=(Channel(name="b", kind="pigeon", endpoint="http://h", credentials={}),)),
            "pigeon/b",
            "channel_unknown",
        ),
    ],
)
def test_what_an_account_lacks_is_named(settings, account, words) -> None:
    (check,) = accounts.credentials(settings, SystemClock())
    assert (check.name, check.level) == (account, Level.FAIL)
    assert words in check.message


def test_each_host_is_asked_once_and_names_its_accounts(listening) -> None:
    outlet = Shop(name="outlet", platform="taobao", endpoint=f"http://{listening}/b", credentials=COMPLETE)
    (check,) = accounts.endpoints(Settings(shops=(shop(f"http://{listening}/a"), outlet)))
    assert (check.name, check.level) == (listening, Level.OK)
    assert "taobao/main, taobao/outlet" in check.message


def test_a_host_that_refuses_is_unreachable(closed) -> None:
    (check,) = accounts.endpoints(Settings(shops=(shop(f"http://{closed}/"),)))
    assert check.is_unreachable
    assert "Connection refused" in check.message


def test_a_host_that_never_answers_is_given_up_in_time(monkeypatch) -> None:
    monkeypatch.setattr(accounts, "CONNECT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, ExitStack() as stack:
        host, port = server.getsockname()
        # A full backlog: the kernel leaves further connections waiting.
        for filler in [stack.enter_context(socket.socket()) for _ in range(4)]:
            filler.setblocking(False)
            filler.connect_ex((host, port))
        (check,) = accounts.endpoints(Settings(shops=(shop(f"http://{host}:{port}/"),)))
    assert check.is_unreachable
    assert "no connection within" in check.message


def test_an_endpoint_that_is_no_address_fails() -> None:
    (check,) = accounts.endpoints(Settings(shops=(shop("ftp://somewhere"),)))
    assert (check.level, check.is_unreachable) == (Level.FAIL, False)


@pytest.fixture
def resolves_to_loopback(monkeypatch):
    def answer(_host, port, *_hints, **_named):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("127.0.0.2", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", answer)


def test_a_name_of_a_machine_inside_fails_and_is_not_knocked_at(listening, resolves_to_loopback) -> None:
    port = listening.rpartition(":")[2]
    (check,) = accounts.endpoints(Settings(shops=(shop(f"http://wms.test:{port}/"),)))
    assert (check.name, check.level, check.is_unreachable) == (f"wms.test:{port}", Level.FAIL, False)
    assert "address_inside" in check.message
    assert "door.inside_hosts" in check.message
    assert "taobao/main" in check.message


def test_a_listed_name_is_knocked_at_each_of_its_addresses(listening, resolves_to_loopback) -> None:
    port = listening.rpartition(":")[2]
    door = HttpLimits(inside_hosts=("wms.test",))
    (check,) = accounts.endpoints(Settings(shops=(shop(f"http://wms.test:{port}/"),), door=door))
    assert check.level is Level.OK
