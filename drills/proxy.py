"""A small proxy between us and a store or the sandbox: passes on, or cuts, delays, drops and garbles replies."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from infra.engine.event_loop import EventLoopThread

_CHUNK = 65_536

Address = tuple[str, int] | Path
"""Host and port, or the path of a unix socket."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What becomes of a request that did reach the other side: its reply is late, replaced, or lost with the line.

    `is_dropped`: it never reaches the other side, and the line is lost. `is_repeated`: it arrives a second time, as
    from a box in between that sends again; the second reply goes to nobody.
    """

    name: str
    late_s: float = 0.0
    reply: bytes | None = None
    is_lost: bool = False
    is_dropped: bool = False
    is_repeated: bool = False


Judge = Callable[[bytes], Fault | None]


def harmless(_request: bytes) -> None:
    """Judge nothing."""


@dataclass
class Proxy:
    """Listens at `here` (port 0: any) for `there`. `judge` is asked about every chunk that a client sends.

    While it is cut no connection lives and none is taken.
    """

    event_loop: EventLoopThread
    there: Address
    here: Address = ("127.0.0.1", 0)
    judge: Judge = harmless
    struck: Counter[str] = field(default_factory=Counter)
    _is_cut: bool = False
    _server: asyncio.Server | None = None
    _lines: set[asyncio.StreamWriter] = field(default_factory=set)

    def __enter__(self) -> Self:
        self.event_loop.run(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self.event_loop.run(self._close())

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def cut(self) -> None:
        """Drop all connections and refuse new ones until `mend`."""
        self._is_cut = True
        self.struck["cut"] += 1
        self.event_loop.run(self._drop_all())

    def mend(self) -> None:
        self._is_cut = False

    async def _listen(self) -> None:
        if isinstance(self.here, Path):
            self._server = await asyncio.start_unix_server(self._serve, self.here)
        else:
            self._server = await asyncio.start_server(self._serve, *self.here)

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._drop_all()

    async def _drop_all(self) -> None:
        for line in tuple(self._lines):
            line.transport.abort()
        # Both directions of each line see the end before anybody goes on.
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = _Line(self, reader, writer)
        self._lines.add(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            if not self._is_cut:
                await line.carry()
        self._lines.discard(writer)
        writer.transport.abort()


@dataclass
class _Line:
    proxy: Proxy
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    fault: Fault | None = None

    async def carry(self) -> None:
        """Carry both directions until either ends."""
        there = self.proxy.there
        opened = asyncio.open_unix_connection(there) if isinstance(there, Path) else asyncio.open_connection(*there)
        their_reader, their_writer = await opened
        self.proxy._lines.add(their_writer)  # noqa: SLF001 - the other half of the same proxy
        ways = [asyncio.create_task(self._ask(their_writer)), asyncio.create_task(self._answer(their_reader))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self.proxy._lines.discard(their_writer)  # noqa: SLF001 - as above
            their_writer.transport.abort()

    async def _ask(self, their_writer: asyncio.StreamWriter) -> None:
        while chunk := await self.reader.read(_CHUNK):
            fault = self.proxy.judge(chunk)
            if fault:
                self.fault = fault
                self.proxy.struck[fault.name] += 1
                if fault.is_dropped:
                    return
                if fault.is_repeated:
                    await self._ask_besides(chunk)
            their_writer.write(chunk)
            await their_writer.drain()

    async def _ask_besides(self, chunk: bytes) -> None:
        """Ask on a line of its own, and wait for the reply, so that it was carried out."""
        there = self.proxy.there
        opened = asyncio.open_unix_connection(there) if isinstance(there, Path) else asyncio.open_connection(*there)
        reader, writer = await opened
        writer.write(chunk)
        await writer.drain()
        await reader.read(_CHUNK)
        writer.transport.abort()

    async def _answer(self, their_reader: asyncio.StreamReader) -> None:
        while chunk := await their_reader.read(_CHUNK):
            fault, self.fault = self.fault, None
            if fault:
                await asyncio.sleep(fault.late_s)
                if fault.is_lost:
                    return
                chunk = chunk if fault.reply is None else fault.reply
            self.writer.write(chunk)
            await self.writer.drain()
