"""What a check says."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """Ordered from best to worst."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


_WORST_LAST = tuple(Level)


@dataclass(frozen=True, slots=True)
class Check:
    """One line. `advice`: what to do about it; `is_unreachable`: a store or an endpoint did not answer."""

    name: str
    level: Level
    message: str
    advice: str = ""
    is_unreachable: bool = False


def ok(name: str, message: str) -> Check:
    return Check(name, Level.OK, message)


def warn(name: str, message: str, advice: str) -> Check:
    return Check(name, Level.WARN, message, advice)


def fail(name: str, message: str, advice: str) -> Check:
    return Check(name, Level.FAIL, message, advice)


def unreachable(name: str, message: str, advice: str) -> Check:
    return Check(name, Level.FAIL, message, advice, is_unreachable=True)


def worst(checks: Iterable[Check]) -> Level:
    """`ok` when there are none."""
    return max((check.level for check in checks), key=_WORST_LAST.index, default=Level.OK)
