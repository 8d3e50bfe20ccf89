"""Real servers and a real door for the adapters' tests. Nothing here imports a test."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import hypothesis
import pytest

from adapters.http_client import HttpClient
from infra.config import settings

hypothesis.settings.register_profile("adapters", deadline=None, database=None, max_examples=50)
hypothesis.settings.load_profile("adapters")

NOW = datetime(2026, 11, 22, 2, 0, 0, tzinfo=UTC)


class StoppedClock:
    """The wall clock stands still; durations are real."""

    def monotonic(self) -> float:
        return time.monotonic()

    def utcnow(self) -> datetime:
        return NOW


@dataclass
class Received:
    """One request as it stood on the wire."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


Handle = Callable[["Wire"], Awaitable[None]]


class Wire:
    """A server's end of one connection."""

    def __init__(self, server: "RawServer", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self._reader = reader
        self.writer = writer

    async def receive(self) -> Received:
        """Read one whole request; EOFError when the client is gone."""
        try:
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        except asyncio.IncompleteReadError as error:
            raise EOFError from error
        first, *lines = head.rstrip().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        received = Received(method, target, headers, body)
        self._server.received.append(received)
        return received

    async def answer(self, body: bytes = b"{}", status: int = 200, **headers: str) -> None:
        named = {"Content-Length": str(len(body)), **{name.replace("_", "-"): value for name, value in headers.items()}}
        head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        await self.write(f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + body)

    async def write(self, text: bytes) -> None:
        self.writer.write(text)
        await self.writer.drain()

    def reset(self) -> None:
        self.writer.transport.abort()

    async def client_gone(self) -> None:
        while await self._reader.read(1024):
            pass


@dataclass
class RawServer:
    port: int = 0
    connections: int = 0
    received: list[Received] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Handle], Awaitable[RawServer]]]:
    """`await serve(handle)` listens on a free loopback port; each connection runs `handle(wire)` once."""
    servers: list[asyncio.Server] = []
    tasks: set[asyncio.Task[None]] = set()

    async def start(handle: Handle) -> RawServer:
        raw = RawServer()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.add(asyncio.current_task())
            raw.connections += 1
            try:
                with contextlib.suppress(EOFError, ConnectionError, asyncio.IncompleteReadError):
                    await handle(Wire(raw, reader, writer))
            finally:
                writer.close()

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        servers.append(server)
        raw.port = server.sockets[0].getsockname()[1]
        return raw

    yield start
    for server in servers:
        server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    # Transports close in the loop's next round.
    await asyncio.sleep(0)


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def closed_host() -> str:
    """A loopback address where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
async def open_door() -> AsyncIterator[Callable[..., Awaitable[HttpClient]]]:
    """`await open_door(hosts, read_s=...)`: a door that does not wait between its quick attempts."""
    doors: list[HttpClient] = []

    async def no_wait(_seconds: float) -> None:
        await asyncio.sleep(0)

    async def start(*hosts: str, **limits: float) -> HttpClient:
        given = {"connect_s": 2.0, "read_s": 5.0, "total_s": 5.0, **limits}
        door = HttpClient(settings.HttpLimits(**given), frozenset(hosts), StoppedClock(), sleep=no_wait)
        doors.append(door)
        return await door.open()

    yield start
    for door in doors:
        await door.close()
