"""No address talks the door into calling a machine inside: only what is configured, and not what a name becomes."""

import asyncio
import os
import socket

import pytest

from adapters.http_client import Request
from adapters.special_addresses import IPV4, IPV6
from domain.errors import Misconfigured

ALLOWED = "eco.taobao.com:443"
NAME = "wms.test"
OUTSIDE = "8.8.8.8"
INSIDE = [
    pytest.param("127.0.0.1", id="loopback"),
    pytest.param("127.9.9.9", id="loopback-any"),
    pytest.param("169.254.169.254", id="link-local"),
    pytest.param("10.0.0.1", id="private-10"),
    pytest.param("172.31.0.1", id="private-172"),
    pytest.param("192.168.0.1", id="private-192"),
    pytest.param("100.100.100.200", id="shared"),
    pytest.param("224.0.0.1", id="multicast"),
    pytest.param("0.0.0.0", id="unspecified"),  # noqa: S104 -- nothing listens on it
    pytest.param("240.0.0.1", id="reserved"),
    pytest.param("255.255.255.255", id="broadcast"),
    pytest.param("::1", id="loopback-v6"),
    pytest.param("fe80::1", id="link-local-v6"),
    pytest.param("fd00:ec2::254", id="unique-local"),
    pytest.param("fec0::1", id="site-local"),
    pytest.param("ff0e::1", id="multicast-v6"),
    pytest.param("::", id="unspecified-v6"),
    pytest.param("4000::1", id="reserved-v6"),
    pytest.param("::127.0.0.1", id="v4-compatible"),
    pytest.param("::ffff:127.0.0.1", id="v4-mapped"),
    pytest.param("2002:7f00:1::", id="6to4"),
    pytest.param("64:ff9b::7f00:1", id="nat64"),
    pytest.param("64:ff9b:1::7f00:1", id="nat64-local"),
    pytest.param("2001:0:7f00:1::", id="teredo"),
    pytest.param("2002:808:808::", id="6to4-outside"),
    pytest.param("168.63.129.16", id="azure"),
    pytest.param("192.0.0.8", id="protocol-assignments"),
    pytest.param("192.88.99.1", id="6to4-relay"),
    pytest.param("3fff::1", id="documentation-v6"),
    pytest.param("5f00::1", id="segment-routing"),
    pytest.param("64:ff9b::a83f:8110", id="nat64-azure"),
    pytest.param("2400:3200::5efe:a00:1", id="isatap"),
    *(pytest.param(str(block[0]), id=str(block)) for block in (*IPV4, *IPV6)),
]


def ask(url: str) -> Request:
    return Request("GET", url, "ask", is_idempotent=True)


async def always(wire):
    while True:
        await wire.receive()
        await wire.answer()


@pytest.mark.parametrize(
    "spelling",
    [
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://0x7f000001:{port}/",
        "http://2130706433:{port}/",
        "http://127.1:{port}/",
        "http://0:{port}/",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://eco.taobao.com@127.0.0.1:{port}/",
        "http://127.0.0.1:{port}/?x=https://eco.taobao.com/",
        "http://127.0.0.1:{port}#@eco.taobao.com/",
        "http://127.0.0.1:{port}\\@eco.taobao.com/",
        "http://169.254.169.254/latest/meta-data/",
        "https://eco.taobao.com.example:443/",
        "http://eco.taobao.com/",
    ],
)
async def test_no_spelling_of_a_machine_inside_is_called(serve, open_door, spelling):
    server = await serve(always)
    door = await open_door(ALLOWED)
    with pytest.raises(Misconfigured) as refused:
        await door.send(ask(spelling.format(port=server.host.rpartition(":")[2])))
    assert refused.value.code in {"host_not_allowed", "endpoint_invalid"}
    assert server.connections == 0


async def test_control_the_same_machine_is_called_once_it_is_configured(serve, open_door):
    server = await serve(always)
    door = await open_door(server.host)
    assert (await door.send(ask(f"http://{server.host}/"))).is_ok
    assert server.connections == 1


class Internet:
    """Answers names in turn, the last answer for good; any address that is dialled leads to one machine."""

    def __init__(self, port: int, *answers: list[str]) -> None:
        self.port = port
        self.answers = list(answers)
        self.asked: list[str] = []
        self.dialled: list[str] = []

    async def getaddrinfo(self, host, port, **_hints):
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in answer
        ]


@pytest.fixture
def internet(monkeypatch, serve):
    async def start(*answers: list[str], handle=always) -> Internet:
        loop = asyncio.get_running_loop()
        net = Internet((await serve(handle)).port, *answers)

        async def dial(sock, address):
            net.dialled.append(address[0])
            # Every socket ends at the one machine that exists.
            with socket.socket() as real:
                real.setblocking(False)
                await connect(real, ("127.0.0.1", net.port))
                fd = real.detach()
            os.dup2(fd, sock.fileno())
            os.close(fd)

        connect = loop.sock_connect
        monkeypatch.setattr(loop, "getaddrinfo", net.getaddrinfo)
        monkeypatch.setattr(loop, "sock_connect", dial)
        return net

    return start


async def refusal(door, url: str) -> Misconfigured:
    with pytest.raises(Misconfigured) as refused:
        await door.send(Request("POST", url, "create", is_idempotent=False, body=b"x"))
    return refused.value


@pytest.mark.parametrize("address", INSIDE)
async def test_a_name_that_resolves_to_a_machine_inside_is_not_called(internet, open_door, address):
    net = await internet([address])
    door = await open_door(f"{NAME}:80")

    error = await refusal(door, f"http://{NAME}/path-secret?key=secret")

    assert (error.code, error.facts) == ("address_inside", {"host": NAME})
    assert NAME in error.message
    assert "secret" not in str(error)
    assert (net.dialled, door.tallies[f"{NAME}:80"].bytes_out) == ([], 0)


@pytest.mark.parametrize("address", INSIDE)
async def test_control_the_same_name_is_called_once_it_is_listed(internet, open_door, address):
    net = await internet([address])
    door = await open_door(f"{NAME}:80", inside_hosts=("WMS.test.",))

    assert (await door.send(ask(f"http://{NAME}/"))).is_ok
    assert net.dialled == [address]


@pytest.mark.parametrize(
    "address", [OUTSIDE, "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808", "2400:3200::5efe:808:808"]
)
async def test_a_machine_outside_is_called(internet, open_door, address):
    net = await internet([address])
    door = await open_door(f"{NAME}:80")

    assert (await door.send(ask(f"http://{NAME}/"))).is_ok
    assert net.dialled == [address]


async def test_one_address_inside_among_others_is_enough(internet, open_door):
    net = await internet([OUTSIDE, "10.0.0.1"])
    door = await open_door(f"{NAME}:80")

    assert (await refusal(door, f"http://{NAME}/")).code == "address_inside"
    assert net.dialled == []


async def hangs_up(wire):
    await wire.receive()
    await wire.answer(Connection="close")


async def rebound(door) -> None:
    assert (await door.send(ask(f"http://{NAME}/"))).is_ok
    # What the client does by itself after ten seconds.
    door._session.connector.clear_dns_cache()


async def test_a_name_that_rebinds_is_refused_from_then_on(internet, open_door):
    net = await internet([OUTSIDE], ["127.0.0.1"], handle=hangs_up)
    door = await open_door(f"{NAME}:80")
    await rebound(door)

    for _ in range(2):
        assert (await refusal(door, f"http://{NAME}/")).code == "address_inside"
    assert net.dialled == [OUTSIDE]


async def test_a_name_that_rebinds_between_judgement_and_connection_is_called_where_it_was_judged(internet, open_door):
    net = await internet([OUTSIDE], ["127.0.0.1"])
    door = await open_door(f"{NAME}:80")

    assert (await door.send(ask(f"http://{NAME}/"))).is_ok
    assert (net.asked, net.dialled) == ([NAME], [OUTSIDE])


async def test_control_a_listed_name_is_followed_wherever_it_rebinds(internet, open_door):
    net = await internet([OUTSIDE], ["127.0.0.1"], handle=hangs_up)
    door = await open_door(f"{NAME}:80", inside_hosts=(NAME,))
    await rebound(door)

    await door.send(ask(f"http://{NAME}/"))
    assert net.dialled == [OUTSIDE, "127.0.0.1"]


async def test_calls_that_wait_for_one_answer_are_all_refused(internet, open_door):
    net = await internet(["10.0.0.1"])
    door = await open_door(f"{NAME}:80")

    errors = await asyncio.gather(*(refusal(door, f"http://{NAME}/") for _ in range(5)))
    assert {error.code for error in errors} == {"address_inside"}
    assert net.dialled == []


@pytest.mark.parametrize("host", ["localhost", "localhost.", "LOCALHOST", "0x7f000001"])
async def test_a_name_of_this_machine_is_a_name_like_any_other(internet, open_door, host):
    net = await internet(["127.0.0.1"])
    door = await open_door(f"{host.lower()}:80")

    assert (await refusal(door, f"http://{host}/")).code == "address_inside"
    assert net.dialled == []


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0177.0.0.1"])
async def test_an_odd_spelling_of_an_address_is_no_endpoint(internet, open_door, host):
    net = await internet(["127.0.0.1"])
    door = await open_door(f"{host}:80")

    assert (await refusal(door, f"http://{host}/")).code == "endpoint_invalid"
    assert (net.asked, net.dialled) == ([], [])


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
async def test_an_address_in_the_settings_is_the_operators_own_word(internet, open_door, host):
    net = await internet([OUTSIDE])
    door = await open_door(f"{host.strip('[]')}:80")

    assert (await door.send(ask(f"http://{host}/"))).is_ok
    assert (net.asked, net.dialled) == ([], [host.strip("[]")])
