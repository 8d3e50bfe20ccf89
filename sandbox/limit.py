"""A limit on calls, as the owner of an account may set it on demand."""

from dataclasses import dataclass
from enum import StrEnum


class Says(StrEnum):
    """How calls over the limit are refused: by HTTP status 429, by the protocol's own code, as the day's quota."""

    HTTP = "http"
    CODE = "code"
    DAY = "day"


class OverLimitError(Exception):
    """A call over the limit. `retry_after_s`: what the refusal asks for, None for silence."""

    def __init__(self, says: Says, retry_after_s: int | None) -> None:
        super().__init__(says.value)
        self.says = says
        self.retry_after_s = retry_after_s


@dataclass(slots=True)
class CallLimit:
    """Lets `calls` more calls through and refuses all others, until it is replaced."""

    calls: int
    says: Says
    retry_after_s: int | None = None

    def spend(self) -> None:
        """Let one call through. Raises OverLimitError."""
        if self.calls < 1:
            raise OverLimitError(self.says, self.retry_after_s)
        self.calls -= 1
