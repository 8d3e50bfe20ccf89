"""Corrects our stock figure by a new count of a warehouse.

Pieces that a warehouse has handed over, and whose scan we have not read yet, are missing in its count and still in our
figure. They are pieces that we hold as allocated there. So a count of `counted` is right for any figure of ours from
`counted` to `counted + allocated`, and only what lies outside was corrected.
"""

from dataclasses import dataclass

# Of the columns that hold pieces.
PIECES_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class LocationFigures:
    """Our figures of a SKU at one location, in pieces. `allocated` is at most `on_hand`."""

    on_hand: int
    allocated: int


@dataclass(frozen=True, slots=True)
class PoolFigures:
    """The SKU over all locations. `free`: pieces that nobody was promised."""

    on_hand: int
    free: int


@dataclass(frozen=True, slots=True)
class Recounted:
    """The new figure. `is_refused`: the count asks for a lower figure that would break a promise."""

    on_hand: int
    is_refused: bool = False


def recount(held: LocationFigures, pool: PoolFigures, counted: int) -> Recounted:
    """Up to the count, down to the count and the pieces that may have left; never below what is promised."""
    wanted = min(max(held.on_hand, counted), counted + held.allocated)
    change = wanted - held.on_hand
    if -change > pool.free or pool.on_hand + change > PIECES_MAX:
        return Recounted(held.on_hand, is_refused=True)
    return Recounted(wanted)
