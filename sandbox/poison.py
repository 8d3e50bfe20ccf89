"""One order for which its server fails, on demand: a firewall that refuses a text, or a truncated answer."""

from enum import StrEnum


class Spoilt(StrEnum):
    """How the platform answers about a spoilt order: half of it, a page for people, or that an argument is invalid."""

    TORN = "torn"
    PAGE = "page"
    ARGUMENT = "argument"


class ForbiddenError(Exception):
    """A firewall before the server refuses this request, whatever its credentials."""


class Firewall:
    """Refuses requests that contain one of its marks."""

    def __init__(self) -> None:
        self.marks: frozenset[str] = frozenset()

    def check(self, text: str) -> None:
        """Raises ForbiddenError."""
        if any(mark in text for mark in self.marks):
            raise ForbiddenError
