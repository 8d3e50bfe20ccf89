"""Logs uncaught exceptions: type, code and place, never the text, which may quote a value.

The interpreter itself would print the whole exception to stderr, for a database error with the row.
"""

import asyncio
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from infra.telemetry.log import get_logger

# How long a process that ends waits until its last error was noted.
_NOTED_WITHIN_S = 5.0

Note = Callable[[str], None]

log = get_logger(__name__)


class _Noted:
    """Where the type of an uncaught error is noted beside the log, if anywhere."""

    note: Note | None = None


def log_uncaught(note: Note | None = None) -> None:
    """From here on this process logs uncaught exceptions of its threads, of objects at their end, and its own last.

    `note` is called with the type of each error but those of objects, on a thread of its own, as it may wait.
    """
    _Noted.note = note
    sys.excepthook = _of_main
    threading.excepthook = _of_thread
    sys.unraisablehook = _of_object


def log_of_loop(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """The handler for an event loop's uncaught exceptions."""
    error = context.get("exception")
    log.error("uncaught_in_loop", exc_info=error if isinstance(error, BaseException) else None)
    if isinstance(error, BaseException):
        _note(error)


def _of_main(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    log.critical("uncaught", exc_info=error)
    _note(error, within_s=_NOTED_WITHIN_S)


def _of_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is not SystemExit:
        log.critical("uncaught_in_thread", thread=args.thread.name if args.thread else "", exc_info=args.exc_value)
        _note(args.exc_value)


def _note(error: object, within_s: float = 0.0) -> None:
    """Note the type of an error; wait so long for that."""
    if _Noted.note is None:
        return
    noting = threading.Thread(target=_Noted.note, args=(type(error).__name__,), name="uncaught", daemon=True)
    noting.start()
    if within_s:
        noting.join(within_s)


def _of_object(args: "sys.UnraisableHookArgs") -> None:
    log.error("uncaught_at_end", exc_info=args.exc_value)
