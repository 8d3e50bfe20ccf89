"""A line to Redis on which each chunk takes its time, and more than one is under way."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from infra.engine.event_loop import EventLoopThread

_CHUNK = 65_536


@dataclass
class Line:
    """Listens on the loopback for a server at the socket `there`; both ways together take `round_trip_s`."""

    event_loop: EventLoopThread
    there: Path
    round_trip_s: float
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"

    def __enter__(self) -> Self:
        self.event_loop.run(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self.event_loop.run(self._close())

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        their_reader, their_writer = await asyncio.open_unix_connection(self.there)
        both = {writer, their_writer}
        self._writers |= both
        try:
            await asyncio.gather(self._carry(reader, their_writer), self._carry(their_reader, writer))
        finally:
            self._writers -= both

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read at once, and write in order when it is time."""
        loop = asyncio.get_running_loop()
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def arrive() -> None:
            while True:
                at, chunk = await under_way.get()
                await asyncio.sleep(at - loop.time())
                if not chunk:
                    writer.transport.abort()
                    return
                writer.write(chunk)

        arriving = asyncio.create_task(arrive())
        chunk = b"."
        while chunk:
            chunk = b""
            with contextlib.suppress(OSError):
                chunk = await reader.read(_CHUNK)
            under_way.put_nowait((loop.time() + self.round_trip_s / 2, chunk))
        await arriving
