"""A location's new count, written over our figures in small sorted parts, so that no order waits long for a row."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from domain.recount import LocationFigures, PoolFigures, recount
from domain.stock import available
from infra.tables.audit import Act, AuditSignature, Verb, record_acts
from infra.tables.pool import Connection, Database
from infra.tables.rows import rows_json
from infra.tables.sql import load
from infra.tables.stock import STOCK, count_in

RECOUNT = load("recount")
# SKUs that are locked together.
PART = 200


@dataclass(slots=True)
class Changes:
    """What a count did, by SKU. `raised`, `lowered`: by how many pieces; `refused`: our figure and the count."""

    new: dict[str, int] = field(default_factory=dict)
    raised: dict[str, int] = field(default_factory=dict)
    lowered: dict[str, int] = field(default_factory=dict)
    refused: dict[str, tuple[int, int]] = field(default_factory=dict)


def held_at(connection: Connection, location: str) -> dict[str, LocationFigures]:
    """Our figures at a location, without a lock. Read them before the warehouse is asked."""
    rows = connection.execute(RECOUNT["held_at"], {"location": location})
    return {sku: LocationFigures(on_hand, allocated) for sku, on_hand, allocated in rows}


def write_count(
    db: Database,
    location: str,
    before: Mapping[str, LocationFigures],
    counted: Mapping[str, int],
    author: AuditSignature,
) -> Changes:
    """Write a count that was asked for after `before` was read. SKUs that it leaves out stay as they are.

    `author` is noted in the audit with every correction. A figure that changed since then is left to the next count,
    because pieces may have left that the count still contains.
    """
    changes = Changes()
    unknown = sorted(sku for sku in counted if sku not in before)
    for skus in _parts(unknown):
        with db.transaction() as tx:
            count_in(tx, location, {sku: counted[sku] for sku in skus})
            after = {"on_hand": {sku: counted[sku] for sku in skus}}
            record_acts(tx, author, Verb.STOCK_COUNTED, [Act(f"location/{location}", None, after)])
        changes.new |= {sku: counted[sku] for sku in skus}
    differing = sorted(sku for sku, held in before.items() if sku in counted and _differs(held, counted[sku]))
    for skus in _parts(differing):
        with db.transaction() as tx:
            _write_part(tx, location, {sku: (before[sku], counted[sku]) for sku in skus}, changes, author)
    _note_refusals(db, location, changes.refused)
    return changes


def _differs(held: LocationFigures, counted: int) -> bool:
    return not counted <= held.on_hand <= counted + held.allocated


def _parts(skus: Sequence[str]) -> Iterator[Sequence[str]]:
    return (skus[start : start + PART] for start in range(0, len(skus), PART))


def _write_part(
    tx: Connection,
    location: str,
    counts: Mapping[str, tuple[LocationFigures, int]],
    changes: Changes,
    author: AuditSignature,
) -> None:
    skus = sorted(counts)
    pools = {
        sku: PoolFigures(on_hand, available(on_hand=on_hand, reserved=reserved, frozen=frozen, allocated=allocated))
        for sku, on_hand, reserved, frozen, allocated in tx.execute(STOCK["lock_levels"], {"skus": skus})
    }
    held = {
        sku: LocationFigures(on_hand, allocated)
        for sku, place, on_hand, allocated in tx.execute(STOCK["lock_location_levels"], {"skus": skus})
        if place == location
    }
    moved: dict[str, int] = {}
    for sku, (before, counted) in counts.items():
        if held[sku].on_hand != before.on_hand:
            continue
        found = recount(held[sku], pools[sku], counted)
        if found.is_refused:
            changes.refused[sku] = (held[sku].on_hand, counted)
        elif found.on_hand != before.on_hand:
            moved[sku] = found.on_hand - before.on_hand
    if moved:
        rows = [{"sku": sku, "on_hand": pieces, "reserved": 0, "allocated": 0} for sku, pieces in moved.items()]
        tx.execute(STOCK["move_pool"], {"rows": rows_json(rows)})
        tx.execute(STOCK["move_location"], {"rows": rows_json({**row, "location": location} for row in rows)})
        before_all = {sku: held[sku].on_hand for sku in moved}
        after = {"on_hand": {sku: before_all[sku] + pieces for sku, pieces in moved.items()}}
        act = Act(f"location/{location}", {"on_hand": before_all}, after)
        record_acts(tx, author, Verb.STOCK_CORRECTED, [act])
    changes.raised |= {sku: pieces for sku, pieces in moved.items() if pieces > 0}
    changes.lowered |= {sku: -pieces for sku, pieces in moved.items() if pieces < 0}


def lower_location(
    tx: Connection, location: str, lost: Mapping[str, int], nothing_free: Collection[str], author: AuditSignature
) -> dict[str, int]:
    """A warehouse says that its shelf holds less than our figure; pieces that were taken off, by SKU.

    `lost`: pieces by SKU that are not there, and that nobody is promised any more. `nothing_free`: SKUs of which no
    piece is there that is not allocated. Never below what is promised. `author` is noted in the audit.
    """
    skus = sorted({*lost, *nothing_free})
    pools = {
        sku: available(on_hand=on_hand, reserved=reserved, frozen=frozen, allocated=allocated)
        for sku, on_hand, reserved, frozen, allocated in tx.execute(STOCK["lock_levels"], {"skus": skus})
    }
    held = {
        sku: LocationFigures(on_hand, allocated)
        for sku, place, on_hand, allocated in tx.execute(STOCK["lock_location_levels"], {"skus": skus})
        if place == location
    }
    taken = {}
    for sku, here in held.items():
        free = here.on_hand - here.allocated
        wanted = free if sku in nothing_free else min(lost.get(sku, 0), free)
        taken[sku] = min(wanted, pools.get(sku, 0))
    taken = {sku: pieces for sku, pieces in taken.items() if pieces > 0}
    if taken:
        rows = [{"sku": sku, "on_hand": -pieces, "reserved": 0, "allocated": 0} for sku, pieces in taken.items()]
        tx.execute(STOCK["move_pool"], {"rows": rows_json(rows)})
        tx.execute(STOCK["move_location"], {"rows": rows_json({**row, "location": location} for row in rows)})
        before = {sku: held[sku].on_hand for sku in taken}
        after = {"on_hand": {sku: before[sku] - pieces for sku, pieces in taken.items()}}
        record_acts(tx, author, Verb.STOCK_CORRECTED, [Act(f"location/{location}", {"on_hand": before}, after)])
    return taken


def _note_refusals(db: Database, location: str, refused: Mapping[str, tuple[int, int]]) -> None:
    with db.transaction() as tx:
        tx.execute(RECOUNT["drop_refusals"], {"location": location, "skus": sorted(refused)})
        if refused:
            rows = [{"sku": sku, "on_hand": ours, "counted": counted} for sku, (ours, counted) in refused.items()]
            tx.execute(RECOUNT["note_refusals"], {"location": location, "rows": rows_json(rows)})


class Refusal(NamedTuple):
    """A count that was not taken over, because more is promised."""

    location: str
    sku: str
    ours: int
    counted: int


def refusals(connection: Connection, limit: int) -> list[Refusal]:
    """Counts that were not taken over, by location and SKU."""
    return [Refusal(*row) for row in connection.execute(RECOUNT["refusals"], {"limit": limit})]


def count_refusals(connection: Connection) -> int:
    """How many counts were not taken over."""
    row = connection.execute(RECOUNT["count_refusals"]).fetchone()
    return 0 if row is None else int(row[0])
