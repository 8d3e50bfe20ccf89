"""Randomness and new ids, so that a test may bring its own."""

import random
import uuid
from typing import Protocol


class Randomness(Protocol):
    """Spreads retries and names leases."""

    def fraction(self) -> float:
        """A number in [0, 1)."""
        ...

    def token(self) -> uuid.UUID:
        """A new id that nobody else has."""
        ...


class SystemRandomness:
    """Real randomness from the fast generator, because it protects no secret."""

    def fraction(self) -> float:
        return random.random()  # noqa: S311 - jitter, not a secret

    def token(self) -> uuid.UUID:
        return uuid.uuid4()
