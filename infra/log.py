"""Logs: one line for each event, with one set of keys, from our code and from libraries alike.

Lines go to stderr; stdout belongs to results. Personal data has no place in a log: known keys are
dropped, mobile numbers are blacked out, and an exception shows its type, its code and where it was
raised. Its text is shown only for our own errors, whose messages are free of personal data.
"""

import logging
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, TextIO, cast
from uuid import UUID

import psycopg
import structlog
from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from domain.errors import FulfilmentError
from infra.printable import in_line

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
_BLACKED_OUT = "1**********"
_FRAMES_SHOWN = 6


class _Stderr:
    """Whatever stderr is at the moment: loggers are kept for long, and it may be redirected meanwhile."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()

    def isatty(self) -> bool:
        return sys.stderr.isatty()


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
    handler = logging.StreamHandler(target)
    handler.addFilter(_name_message_only)
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
    """Processor: a message of a library is one line that no terminal obeys; values are quoted anyway."""
    return {**event, "event": in_line(str(event["event"]))}


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
    # Anything else might show what it holds.
    return f"<{type(value).__qualname__}>"


def _name_message_only(record: logging.LogRecord) -> bool:
    """Filter: a queue message in a library's log shows its actor and id, an exception its type: never their values."""
    if isinstance(record.msg, str) and record.msg.startswith("Received args="):
        return False  # Dramatiq's actors say nothing but their arguments here
    if isinstance(record.args, tuple):
        record.args = tuple(_named(argument) for argument in record.args)
    return True


def _named(argument: object) -> object:
    if isinstance(argument, BaseException) and not isinstance(argument, FulfilmentError):
        return type(argument).__qualname__
    actor, message_id = getattr(argument, "actor_name", None), getattr(argument, "message_id", None)
    return f"{actor}[{message_id}]" if actor and message_id else argument
