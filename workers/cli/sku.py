"""``orderlane sku``: the map from listings of platforms to our SKUs."""

from pathlib import Path

import click

from domain.errors import Refused
from domain.listings import EVERY, NOTHING, Listing
from infra.config.settings import Settings
from infra.engine.author import Author
from ops.faces.terminal.layout import china_time
from ops.faces.terminal.words import WORDS
from ops.verbs.listings import MapChanges, accounts_of, check_account, check_name, drop, put
from ops.verbs.listings_file import BYTES_MAX, COLUMNS, NOTHING_MARK, ReadFile, RowError, read_listings
from ops.views.listings import FIRST, entries, missing
from workers.cli.exits import Exit
from workers.cli.options import optional_author
from workers.cli.output import json_option, say, say_json
from workers.cli.stores import open_database, quiet_settings

_SHOWN = 20


@click.group(
    epilog="\b\nExample:  orderlane sku list --unmapped\n          orderlane sku map taobao/main 600000000777 GIFT-CUP"
)
def sku() -> None:
    """Name the SKU of a listing for which the platform gives none, or one that stock does not know."""


@sku.command(
    "map",
    epilog="\b\nExample:  orderlane sku map taobao/main 600000000777 GIFT-CUP\n"
    "          orderlane sku map taobao/main 600000000001 --variant 5000000001 TEE-BLACK-L\n"
    "          orderlane sku map taobao/main 600000000888 --nothing --reason 'printed voucher'",
)
@click.argument("shop", metavar="PLATFORM/SHOP")
@click.argument("product", metavar="PRODUCT")
@click.argument("named", metavar="[SKU]", required=False)
@click.option("--variant", metavar="V", help="The platform's id of one variant; without it, every variant.")
@click.option("--nothing", is_flag=True, help="There is nothing to pick: nobody ships lines of this listing.")
@optional_author
@json_option
def map_listing(
    shop: str, product: str, named: str | None, variant: str | None, *, nothing: bool, author: Author, as_json: bool
) -> None:
    """Name the SKU of a listing; every order that waits for it goes on.

    PRODUCT and V are the platform's own ids. A variant's own row counts before its product's. Orders that have their
    SKUs keep them. Safe to run twice.
    """
    if (named is None) != nothing:
        raise click.UsageError("say the SKU, or --nothing")
    if named == NOTHING_MARK:
        raise click.BadParameter("for a listing with nothing to pick say --nothing", param_hint="SKU")
    settings = quiet_settings()
    listing = _listing(settings, shop, product, variant)
    wanted = NOTHING if named is None else check_name(named, "SKU")
    with open_database(settings) as db:
        changed = put(db, {listing: wanted}, author)
    if as_json:
        say_json(changed)
    else:
        _print(changed)


@sku.command(epilog="\b\nExample:  orderlane sku unmap taobao/main 600000000001 --variant 5000000001")
@click.argument("shop", metavar="PLATFORM/SHOP")
@click.argument("product", metavar="PRODUCT")
@click.option("--variant", metavar="V", help="The variant that the row is about.")
@optional_author
@json_option
def unmap(shop: str, product: str, variant: str | None, *, author: Author, as_json: bool) -> None:
    """Take a row out of the map; orders that have their SKUs keep them. Exits with 5 if there is no such row."""
    settings = quiet_settings()
    listing = _listing(settings, shop, product, variant)
    with open_database(settings) as db:
        was = drop(db, listing, author)
    if as_json:
        say_json({"was": was or None})
    else:
        say(f"unmapped; it was {was or 'nothing to pick'}")


@sku.command("list", epilog="\b\nExample:  orderlane sku list --unmapped\n          orderlane sku list --json")
@click.option(
    "--unmapped", is_flag=True, help="List listings without a SKU that open orders wait for, with the number of orders."
)
@click.option("--after", metavar="L", help="List rows after this one; the last line of a long list names it.")
@json_option
def list_listings(*, unmapped: bool, after: str | None, as_json: bool) -> None:
    """List the map, or the listings that are missing in it, with those that most orders wait for first."""
    if unmapped and after:
        raise click.UsageError("--after is for the map itself")
    settings = quiet_settings()
    if unmapped:
        _list_missing(settings, as_json=as_json)
    else:
        _list_map(settings, _behind(after), as_json=as_json)


@sku.command(
    "import",
    epilog=f"\b\nExample:  orderlane sku import listings.csv --dry-run\n\n\bThe first line is:  {','.join(COLUMNS)}",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Show what would change; change nothing.")
@optional_author
@json_option
@click.pass_context
def import_listings(ctx: click.Context, file: Path, *, dry_run: bool, author: Author, as_json: bool) -> None:
    """Map the listings of a CSV file in UTF-8, all of them or none; FILE - is standard input.

    shop is PLATFORM/SHOP; an empty variant is every variant; the sku - is nothing to pick. Rows of the map that the
    file does not name stay. Each row that is wrong is named with its line. Safe to run twice. Exits with 2 for a file
    with a mistake.
    """
    settings = quiet_settings()
    read = read_listings(_bounded(file), accounts_of(settings))
    if read.errors_total:
        _refuse(read, as_json=as_json)
        ctx.exit(Exit.USAGE)
    with open_database(settings) as db:
        changed = put(db, read.entries, author, dry_run=dry_run)
    if as_json:
        say_json(changed)
    else:
        _print(changed)


def _bounded(file: Path) -> bytes:
    try:
        with click.open_file(str(file), "rb") as stream:
            body: bytes = stream.read(BYTES_MAX + 1)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise click.BadParameter(f"the file cannot be read: {why}", param_hint="FILE") from None
    return body


def _listing(settings: Settings, shop: str, product: str, variant: str | None) -> Listing:
    platform, name = check_account(accounts_of(settings), shop)
    return Listing(
        platform, name, check_name(product, "product"), EVERY if variant is None else check_name(variant, "variant")
    )


def _behind(text: str | None) -> Listing:
    if text is None:
        return FIRST
    platform, _, rest = text.partition("/")
    shop, _, rest = rest.partition("/")
    product, _, variant = rest.partition("/")
    if not (platform and shop and product):
        raise Refused("name_malformed", "a row is PLATFORM/SHOP/PRODUCT or PLATFORM/SHOP/PRODUCT/VARIANT")
    return Listing(platform, shop, product, variant)


def _refuse(read: ReadFile, *, as_json: bool) -> None:
    if as_json:
        say_json({"errors": [_tree(error) for error in read.errors], "errors_total": read.errors_total})
        return
    for error in read.errors[:_SHOWN]:
        say(f"line {error.line}: {WORDS.message(error.code, error.facts)}", err=True)
    if read.errors_total > _SHOWN:
        say(f"and {read.errors_total - _SHOWN} more", err=True)
    say(f"nothing was changed: {read.errors_total} of the rows are wrong", err=True)


def _tree(error: RowError) -> dict[str, object]:
    said = WORDS.message(error.code, error.facts)
    return {"line": error.line, "code": error.code, "message": said, "facts": error.facts}


def _print(changed: MapChanges) -> None:
    would = "would be " if changed.going is None else ""
    say(f"{would}added {changed.added}, changed {changed.changed}, as before {changed.same}")
    if changed.unknown:
        named = ", ".join(changed.unknown[:_SHOWN])
        more = f" and {len(changed.unknown) - _SHOWN} more" if len(changed.unknown) > _SHOWN else ""
        say(f"stock does not know {named}{more}: orders wait until it is counted")
    if changed.going is None:
        say(f"{changed.waiting} orders wait for these listings")
    else:
        say(f"{changed.going} orders go on")


def _list_missing(settings: Settings, *, as_json: bool) -> None:
    with open_database(settings) as db:
        found = missing(db)
    if as_json:
        say_json(found)
        return
    for one in found.listings:
        given = f"SKU {one.given}, which stock does not know" if one.given else "no SKU"
        variant = f" --variant {one.variant}" if one.variant else ""
        product = one.product or "no product id"
        say(f"{one.orders} orders  {one.platform}/{one.shop} {product}{variant}  {given}  {one.title}")
    if found.total > len(found.listings):
        say(f"and {found.total - len(found.listings)} listings more")
    say(f"{found.total} listings without a SKU, {found.orders} orders wait")


def _list_map(settings: Settings, after: Listing, *, as_json: bool) -> None:
    with open_database(settings) as db:
        found = entries(db, after)
    if as_json:
        say_json(found)
        return
    for one in found.entries:
        variant = f" --variant {one.variant}" if one.variant else ""
        unknown = "" if one.is_known else " (unknown to stock)"
        is_sku = f"{one.sku}{unknown}" if one.sku else "nothing to pick"
        say(f"{one.platform}/{one.shop} {one.product}{variant}  {is_sku}  ({one.author}, {china_time(one.at)})")
    if found.more:
        row = found.more
        name = f"{row.account}/{row.product_id}" + (f"/{row.platform_sku}" if row.platform_sku else "")
        say(f"more: orderlane sku list --after {name}")
    if not found.entries:
        say("the map is empty")
