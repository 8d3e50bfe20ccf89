"""Randomness and new ids, so that a test may bring its own."""

import random
import uuid
from typing import Protocol


class Dice(Protocol):
    """Spreads retries and names leases."""

    def roll(self) -> float:
        """A number in [0, 1)."""
        ...

    def token(self) -> uuid.UUID:
        """A new id that nobody else has."""
        ...


class SystemDice:
    """Real randomness from the fast generator, because it protects no secret."""

    def roll(self) -> float:
        return random.random()  # noqa: S311 - jitter, not a secret

    def token(self) -> uuid.UUID:
        return uuid.uuid4()
