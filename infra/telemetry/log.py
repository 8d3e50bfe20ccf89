"""Logs: one line for each event, with one set of keys, from our code and from libraries alike.

Lines go to stderr; stdout belongs to results. Personal data has no place in a log: known keys are
dropped, mobile numbers are blacked out, and an exception shows its type, its code and where it was
raised. Its text is shown only for our own errors, whose messages are free of personal data.
"""

import contextlib
import logging
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, TextIO, cast
from uuid import UUID

import psycopg
import structlog
from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from domain.errors import FulfilmentError
from infra.telemetry.terminal_text import in_line

_PERSONAL_KEYS = frozenset(
    {
        "address",
        "addresses",
        "body",
        "buyer",
        "buyer_id",
        "buyer_memo",
        "buyer_nick",
        "consignee",
        "contact",
        "detail",
        "email",
        "id_card",
        "mobile",
        "name",
        "payload",
        "phone",
        "raw",
        "receiver",
        "receiver_address",
        "receiver_mobile",
        "receiver_name",
        "receiver_phone",
        "recipient",
        "seller_memo",
        "sender",
        "tel",
        "town",
        "zip_code",
    }
)
# Eleven digits that start like a mainland mobile number, alone or after 86. Order ids have 15 digits or more.
_MOBILE = re.compile(r"(?<!\d)(?:86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?!\d)")
_WARNING = re.compile(r"(?P<file>[^\n]*?):(?P<line>\d+): (?P<category>\w+): ")
_BLACKED_OUT = "1**********"
_FRAMES_SHOWN = 6
# Types of arguments that a library's log line may show unchanged.
_PLAIN = (str, int, float, Decimal, datetime, timedelta, Path, UUID)


class _Stderr:
    """The present stderr: loggers are kept for a long time, and stderr may be redirected meanwhile."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()

    def isatty(self) -> bool:
        return sys.stderr.isatty()


class _QuietHandler(logging.StreamHandler[TextIO]):
    """Reports a line that cannot be written without its content. The usual report of Python would show its
    arguments.
    """

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"a log line of {in_line(record.name)} could not be written\n")


def configure(
    form: Literal["auto", "json", "console"] = "auto", level: str = "info", stream: TextIO | None = None
) -> None:
    """Route all logs of this process to `stream` (stderr): JSON lines for machines, colour for people.

    ``auto`` is for people when the stream is a terminal.
    """
    target = stream or cast("TextIO", _Stderr())
    is_console = target.isatty() if form == "auto" else form == "console"
    threshold = logging.getLevelNamesMapping()[level.upper()]
    last: list[Processor] = (
        [show_controls, structlog.dev.ConsoleRenderer()] if is_console else [structlog.processors.JSONRenderer()]
    )
    shared: list[Processor] = [
        merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        describe_exception,
        drop_personal_data,
    ]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(target),
        cache_logger_on_first_use=True,
    )
    handler = _QuietHandler(target)
    handler.addFilter(_without_values)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_add_module, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.captureWarnings(capture=True)
    logging.basicConfig(level=threshold, handlers=[handler], force=True)


def get_logger(name: str) -> FilteringBoundLogger:
    """The logger of a module; ask for it once with ``__name__``."""
    logger: FilteringBoundLogger = structlog.get_logger(module=name)
    return logger


@contextmanager
def bound(
    *,
    step: str | None = None,
    account: str | None = None,
    shop: str | None = None,
    order_id: int | None = None,
    lane: str | None = None,
    attempt: int | None = None,
) -> Iterator[None]:
    """Put what is given on every line logged inside, by libraries too; what stood there before comes back."""
    given = {"step": step, "account": account, "shop": shop, "order_id": order_id, "lane": lane, "attempt": attempt}
    with bound_contextvars(**{key: value for key, value in given.items() if value is not None}):
        yield


def drop_personal_data(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Processor: without known personal keys at any depth, and with mobile numbers blacked out."""
    internal = {key: value for key, value in event.items() if key.startswith("_")}
    return {key: _clean(value) for key, value in event.items() if key not in _PERSONAL_KEYS} | internal


def show_controls(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Processor: one event is one line that no terminal obeys, whatever its keys and values at any depth say."""
    return {in_line(key): _harmless(value) for key, value in event.items()}


def _harmless(value: object) -> object:
    match value:
        case str():
            return in_line(value)
        case dict():
            return {in_line(str(key)): _harmless(item) for key, item in value.items()}
        case list():
            return [_harmless(item) for item in value]
    return value


def describe_exception(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Processor: `exc_info` becomes `error`, a description without any value the code worked on."""
    given = event.pop("exc_info", None)
    if not given:
        return event
    if isinstance(given, BaseException):
        error: BaseException | None = given
    else:
        error = given[1] if isinstance(given, tuple) else sys.exc_info()[1]
    if error is not None:
        event["error"] = _described(error)
    return event


def _add_module(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    event["module"] = event["_record"].name
    return event


def _described(error: BaseException) -> dict[str, Any]:
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES_SHOWN:]
    described: dict[str, Any] = {
        "type": f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins."),
        "at": [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames],
    }
    if isinstance(error, FulfilmentError):
        described |= {"code": error.code, "message": error.message, "facts": error.facts}
    elif isinstance(error, psycopg.Error) and error.sqlstate:
        described["code"] = error.sqlstate
    elif isinstance(error, OSError) and error.strerror:
        described["code"] = error.strerror
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        described["cause"] = _described(cause)
    return described


def _clean(value: object) -> object:
    match value:
        case str() | datetime() | timedelta() | Path() | UUID():
            return _MOBILE.sub(_BLACKED_OUT, str(value))
        case bool() | float() | None:
            return value
        case int():
            return _BLACKED_OUT if _MOBILE.fullmatch(str(value)) else value
        case dict():
            return {key: _clean(item) for key, item in value.items() if key not in _PERSONAL_KEYS}
        case list() | tuple() | set() | frozenset():
            return [_clean(item) for item in value]
    # Any other object might show its content.
    return f"<{type(value).__qualname__}>"


def _without_values(record: logging.LogRecord) -> bool:
    """Filter: what a library logs may quote what it works on, so objects show no more than what they are."""
    if isinstance(record.msg, str) and record.msg.startswith("Received args="):
        return False  # Dramatiq's actors say nothing but their arguments here
    if record.name == "asyncio":
        # Its texts hold the repr of tasks, results and exceptions.
        record.msg, record.args = re.split(r"[<(\n]", record.getMessage(), maxsplit=1)[0].strip(), None
    elif record.name == "py.warnings":
        record.msg, record.args = _warning_at(record.getMessage()), None
    elif isinstance(record.args, tuple):
        record.args = tuple(_named(argument) for argument in record.args)
    elif isinstance(record.args, dict):
        # Logging unpacks an only argument that is a mapping, whether the text names its keys or not.
        is_by_key = "%(" in str(record.msg)
        record.args = {key: _named(one) for key, one in record.args.items()} if is_by_key else (_named(record.args),)
    if isinstance(record.msg, BaseException):
        record.msg = type(record.msg).__qualname__
    return True


def _warning_at(text: str) -> str:
    """Category and place of a Python warning: its text may quote a value, and the line of code follows it."""
    found = _WARNING.match(text)
    return f"{found['category']} at {Path(found['file']).name}:{found['line']}" if found else "a Python warning"


def _named(argument: object) -> object:
    if isinstance(argument, FulfilmentError):
        return f"{argument}"
    if isinstance(argument, BaseException):
        return type(argument).__qualname__
    if argument is None or isinstance(argument, _PLAIN):
        return argument
    actor, message_id = getattr(argument, "actor_name", None), getattr(argument, "message_id", None)
    return f"{actor}[{message_id}]" if actor and message_id else _ShownArgument(argument)


class _ShownArgument:
    """An argument of a library's log line: a simple collection as it is, any other object by its type alone."""

    def __init__(self, argument: object) -> None:
        is_plain = isinstance(argument, list | tuple | set | frozenset) and all(
            isinstance(item, _PLAIN) for item in argument
        )
        self._text = str(argument) if is_plain else f"<{type(argument).__qualname__}>"

    def __str__(self) -> str:
        return self._text

    __repr__ = __str__
