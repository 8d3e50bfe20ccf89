"""What nobody caught, said in the log: type, code and place, never the text that may quote a value.

The interpreter's own way prints the whole exception to stderr, a database error with the row it is about.
"""

import asyncio
import sys
import threading
from types import TracebackType
from typing import Any

from infra.telemetry.log import get_logger

log = get_logger(__name__)


def log_uncaught() -> None:
    """From here on this process logs uncaught exceptions of its threads, of objects at their end, and its own last."""
    sys.excepthook = _of_main
    threading.excepthook = _of_thread
    sys.unraisablehook = _of_object


def log_of_loop(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """The handler for an event loop's uncaught exceptions."""
    error = context.get("exception")
    log.error("uncaught_in_loop", exc_info=error if isinstance(error, BaseException) else None)


def _of_main(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    log.critical("uncaught", exc_info=error)


def _of_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is not SystemExit:
        log.critical("uncaught_in_thread", thread=args.thread.name if args.thread else "", exc_info=args.exc_value)


def _of_object(args: "sys.UnraisableHookArgs") -> None:
    log.error("uncaught_at_end", exc_info=args.exc_value)
