"""Whether a call may be repeated quickly: its guard counts every request that reaches an account."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


def _always() -> bool:
    return True


_MAY_REPEAT: ContextVar[Callable[[], bool]] = ContextVar("may_repeat", default=_always)


def may_repeat() -> bool:
    """Whether the call under way may be sent once more now. Each answer of True takes one call from its account."""
    return _MAY_REPEAT.get()()


@contextmanager
def repeating(may: Callable[[], bool]) -> Iterator[None]:
    """Let `may` decide about repetitions of what is called inside."""
    token = _MAY_REPEAT.set(may)
    try:
        yield
    finally:
        _MAY_REPEAT.reset(token)
