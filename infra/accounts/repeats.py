"""Whether a call may be repeated quickly: its guard counts every request that reaches an account."""

from collections.abc import Callable
from contextvars import ContextVar


def _always() -> bool:
    return True


_MAY_REPEAT: ContextVar[Callable[[], bool]] = ContextVar("may_repeat", default=_always)


def may_repeat() -> bool:
    """Whether the call under way may be sent once more now. Each answer of True takes one call from its account."""
    return _MAY_REPEAT.get()()


class repeating:  # noqa: N801 - used like a function; a generator would cost each call several times as much
    """Context in which `may` decides about repetitions of what is called inside."""

    __slots__ = ("_may", "_token")

    def __init__(self, may: Callable[[], bool]) -> None:
        self._may = may

    def __enter__(self) -> None:
        self._token = _MAY_REPEAT.set(self._may)

    def __exit__(self, *raised: object) -> None:
        _MAY_REPEAT.reset(self._token)
