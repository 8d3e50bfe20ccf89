"""The listing map, and the listings that orders wait for."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.listings import Listing
from infra.tables.listings import (
    ListingEntry,
    UnmappedListing,
    count_wanted,
    list_entries,
    list_wanted,
)
from infra.tables.pool import Database
from ops.views.looking import looking

LISTED_MAX = 1000


FIRST = Listing("", "", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingPage:
    """The map, at most `LISTED_MAX` rows from `after` on. `more`: where the next ones begin; None at the end."""

    entries: Sequence[ListingEntry]
    more: Listing | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingListings:
    """Listings without a SKU that stock knows, the ones that most orders wait for first, and the total."""

    listings: Sequence[UnmappedListing]
    total: int
    orders: int


def entries(db: Database, after: Listing = FIRST, limit: int = LISTED_MAX) -> ListingPage:
    """Rows of the map in the order of their listings."""
    with looking(db) as connection:
        found = list_entries(connection, after, limit)
    last = found[-1] if len(found) == limit else None
    return ListingPage(
        entries=found, more=Listing(last.platform, last.shop, last.product, last.variant) if last else None
    )


def missing(db: Database, limit: int = LISTED_MAX) -> MissingListings:
    """What open orders wait for."""
    with looking(db) as connection:
        found, (total, orders) = list_wanted(connection, limit), count_wanted(connection)
    return MissingListings(listings=found, total=total, orders=orders)
