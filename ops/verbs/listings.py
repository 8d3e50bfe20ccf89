"""Which SKU a listing is: change the map by hand or by file, and send on the orders that waited for it."""

from collections.abc import Mapping
from dataclasses import dataclass

from actors.orders.waiting_for_skus import send_all_on
from domain.errors import Conflict, Refused
from domain.listings import NOTHING, Listing
from domain.normalize import tidy
from infra.config.directory import directory_of
from infra.config.settings import Settings
from infra.engine.author import Author
from infra.process.failpoints import failpoint
from infra.tables.audit import Verb
from infra.tables.listings import (
    count_waiting_for,
    drop_entry,
    lock_entries,
    put_entries,
    unknown_skus,
)
from infra.tables.pool import Database
from ops.verbs.change import change

MAPPED_POINT = "listings.mapped"
NAME_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class MapChanges:
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


Accounts = Mapping[str, tuple[str, str]]


def accounts_of(settings: Settings) -> Accounts:
    """Platform and shop of each configured shop, by ``PLATFORM/SHOP``."""
    return {shop.account: (shop.platform, shop.name) for shop in directory_of(settings).shops.values()}


def check_account(accounts: Accounts, account: str) -> tuple[str, str]:
    """Platform and shop of ``PLATFORM/SHOP``. Raises Refused ``shop_unknown``."""
    if account not in accounts:
        raise Refused("shop_unknown", facts={"shop": account, "known": ", ".join(sorted(accounts))})
    return accounts[account]


def check_name(name: str, what: str) -> str:
    """An id or a SKU as it can be stored and found again. Raises Refused ``name_malformed``."""
    if not name:
        raise _malformed(what, "empty")
    if len(name) > NAME_MAX:
        raise _malformed(what, "too_long")
    if tidy(name, NAME_MAX) != name:
        raise _malformed(what, "untidy")
    return name


def _malformed(what: str, fault: str) -> Refused:
    return Refused("name_malformed", facts={"what": what, "fault": fault, "characters_max": NAME_MAX})


def put(db: Database, entries: Mapping[Listing, str], author: Author, *, dry_run: bool = False) -> MapChanges:
    """Write entries, all or none of them, and send on the orders that wait. Safe to run twice."""
    with change(db, author) as made:
        tx = made.tx
        before = lock_entries(tx, entries)
        new = {listing: sku for listing, sku in entries.items() if before.get(listing) != sku}
        unknown = unknown_skus(tx, {sku for sku in entries.values() if sku != NOTHING})
        waiting = count_waiting_for(tx, entries)
        if not dry_run:
            put_entries(tx, new, author.who)
            for listing, sku in new.items():
                was = {"sku": before[listing]} if listing in before else None
                made.note(Verb.LISTING_MAPPED, _object(listing), was, {"sku": sku})
        if dry_run or not new:
            made.unchanged()
    if not dry_run:
        failpoint(MAPPED_POINT)
    changed = sum(listing in before for listing in new)
    return MapChanges(
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
    with change(db, author) as made:
        was = drop_entry(made.tx, listing)
        if was is None:
            raise Conflict("listing_not_mapped", facts={"listing": _object(listing)})
        made.note(Verb.LISTING_UNMAPPED, _object(listing), {"sku": was}, None)
    return was


def _object(listing: Listing) -> str:
    return f"listing/{listing.account}/{listing.product_id}" + (
        f"/{listing.platform_sku}" if listing.platform_sku else ""
    )
