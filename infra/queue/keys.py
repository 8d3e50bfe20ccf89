"""The content of a bell, and the interface that rings it. Imports no queue, because code that only makes work due needs
none.
"""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

# The queue of a step whose workers serve every other step too, so that a higher lane goes first over all of them.
QUEUE = "work"


class BellKey(NamedTuple):
    """What is due. `alone`: for members of a crashed batch, which are claimed one at a time."""

    step: str
    lane: str
    account: str
    alone: bool = False


class Bells(Protocol):
    """Rings for due work."""

    def ring(self, keys: Iterable[BellKey]) -> None: ...
