"""Which SKU a listing is: look at the map, change it by hand or by file, and send on the orders that waited for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from actors.listings import send_all_on
from domain.errors import Conflict, Refused
from domain.listings import NOTHING, Listing
from domain.normalize import tidy
from infra.config.settings import Settings
from infra.engine.replay import Author
from infra.process.failpoints import failpoint
from infra.tables.audit import record_acts
from infra.tables.listings import (
    Entry,
    Wanted,
    count_waiting_for,
    count_wanted,
    drop_entry,
    list_entries,
    list_wanted,
    lock_entries,
    put_entries,
    unknown_skus,
)
from infra.tables.pool import Database

MAPPED_POINT = "listings.mapped"
NAME_MAX = 200
LISTED_MAX = 1000
FIRST = Listing("", "", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What became, or would become, of the map.

    `unknown`: SKUs that stock does not know, so that their orders go on waiting. `waiting`: orders that waited for
    these listings; `going`: waiting orders that go on now, None in a dry run.
    """

    added: int
    changed: int
    same: int
    unknown: tuple[str, ...]
    waiting: int
    going: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """The map, at most `LISTED_MAX` rows from `after` on. `more`: where the next ones begin; None at the end."""

    entries: Sequence[Entry]
    more: Listing | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Listings without a SKU that stock knows, those with the most orders first, and how many there are in all."""

    listings: Sequence[Wanted]
    total: int
    orders: int


Accounts = Mapping[str, tuple[str, str]]


def accounts_of(settings: Settings) -> Accounts:
    """Platform and shop of each configured shop, by ``PLATFORM/SHOP``."""
    return {shop.account: (shop.platform, shop.name) for shop in settings.shops}


def check_account(accounts: Accounts, account: str) -> tuple[str, str]:
    """Platform and shop of ``PLATFORM/SHOP``. Raises Refused ``shop_unknown``."""
    if account not in accounts:
        raise Refused("shop_unknown", f"shops are: {', '.join(sorted(accounts)) or 'none is configured'}")
    return accounts[account]


def check_name(name: str, what: str) -> str:
    """An id or a SKU as it can be stored and found again. Raises Refused ``name_malformed``."""
    if not name:
        raise Refused("name_malformed", f"the {what} is empty")
    if len(name) > NAME_MAX:
        raise Refused("name_malformed", f"the {what} is longer than {NAME_MAX} characters")
    if tidy(name, NAME_MAX) != name:
        raise Refused("name_malformed", f"the {what} holds control characters or needless spaces")
    return name


def put(db: Database, entries: Mapping[Listing, str], author: Author, *, dry_run: bool = False) -> Changed:
    """Write entries, all or none of them, and send on the orders that wait. Safe to run twice."""
    with db.transaction() as tx:
        before = lock_entries(tx, entries)
        new = {listing: sku for listing, sku in entries.items() if before.get(listing) != sku}
        unknown = unknown_skus(tx, {sku for sku in entries.values() if sku != NOTHING})
        waiting = count_waiting_for(tx, entries)
        if not dry_run:
            put_entries(tx, new, author.who)
            acts = [(_object(listing), {"sku": sku, "was": before.get(listing)}) for listing, sku in new.items()]
            record_acts(tx, author.who, "listing_mapped", author.reason, acts)
    if not dry_run:
        failpoint(MAPPED_POINT)
    changed = sum(listing in before for listing in new)
    return Changed(
        added=len(new) - changed,
        changed=changed,
        same=len(entries) - len(new),
        unknown=tuple(sorted(unknown)),
        waiting=waiting,
        going=None if dry_run else send_all_on(db),
    )


def drop(db: Database, listing: Listing, author: Author) -> str:
    """Take one entry away; what it said. Orders that have their SKUs keep them.

    Raises Conflict ``listing_not_mapped``.
    """
    with db.transaction() as tx:
        was = drop_entry(tx, listing)
        if was is None:
            raise Conflict("listing_not_mapped", f"{_object(listing)} is not in the map")
        record_acts(tx, author.who, "listing_unmapped", author.reason, [(_object(listing), {"was": was})])
    return was


def entries(db: Database, after: Listing = FIRST, limit: int = LISTED_MAX) -> Listed:
    """Rows of the map in the order of their listings."""
    with db.connection() as connection:
        found = list_entries(connection, after, limit)
    last = found[-1] if len(found) == limit else None
    return Listed(entries=found, more=Listing(last.platform, last.shop, last.product, last.variant) if last else None)


def missing(db: Database, limit: int = LISTED_MAX) -> Missing:
    """What open orders wait for."""
    with db.connection() as connection:
        found, (total, orders) = list_wanted(connection, limit), count_wanted(connection)
    return Missing(listings=found, total=total, orders=orders)


def _object(listing: Listing) -> str:
    return f"listing/{listing.account}/{listing.product_id}" + (
        f"/{listing.platform_sku}" if listing.platform_sku else ""
    )
