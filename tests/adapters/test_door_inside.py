"""No address talks the door into calling a machine inside: only what is configured, as it is configured."""

import pytest

from adapters.door import Request
from domain.errors import Misconfigured

ALLOWED = "eco.taobao.com:443"


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
