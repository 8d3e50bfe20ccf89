"""The event loop of a process: where calls to the outside run, beside the threads that own transactions."""

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Self, TypeVar

from infra.tables.pool import in_transaction
from infra.telemetry.uncaught import log_of_loop

T = TypeVar("T")


class EventLoopThread:
    """One event loop in one thread. `run` waits for a coroutine from any other thread.

    Refuses to run while the calling thread holds a transaction open: no lock of ours may wait for a server of somebody
    else.
    """

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(log_of_loop)
        self._thread = threading.Thread(target=self.loop.run_forever, name="outside", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()

    def run(self, call: Coroutine[object, object, T]) -> T:
        """Run `call` on the loop and return its result or raise its error."""
        if in_transaction():
            call.close()
            raise RuntimeError("a call to the outside was made with a transaction open")
        return asyncio.run_coroutine_threadsafe(call, self.loop).result()
