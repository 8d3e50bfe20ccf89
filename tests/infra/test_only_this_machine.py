"""The suite's own guard: no test may reach out."""

import asyncio
import socket

import pytest

# Reserved for documentation: nobody answers there.
OUTSIDE = ("192.0.2.1", 80)


@pytest.mark.parametrize("call", ["connect", "connect_ex"])
@pytest.mark.parametrize(
    ("family", "address"),
    [(socket.AF_INET, OUTSIDE), (socket.AF_INET6, ("2001:db8::1", 80)), (socket.AF_INET, ("0.0.0.0", 80))],  # noqa: S104 - to be refused
)
def test_reaching_out_fails_at_once(call: str, family: int, address: tuple[str, int]) -> None:
    with socket.socket(family) as outward, pytest.raises(AssertionError, match="reached out"):
        getattr(outward, call)(address)


async def test_reaching_out_from_the_event_loop_fails_too() -> None:
    with pytest.raises(AssertionError, match="reached out"):
        await asyncio.open_connection(*OUTSIDE)


def test_the_loopback_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as caller:
        assert caller.getpeername() == server.getsockname()
