"""The ledgers that are compared at the end of a run: ours, and what platform, courier and warehouse saw.

An order is named by (shop, platform order id), a line by the platform's id of it. Quantities are pieces.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from domain.states import State

PartKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class PartRecord:
    """Our record of one fulfillment order. Counts are of its packages, without the cancelled ones.

    `has_case`: a person has it, because its platform closed it while it was shipped; it is never written back.
    """

    key: PartKey
    state: State
    holds: tuple[str, ...]
    is_dead: bool
    packages: int
    written_back: int
    unnotified: int
    has_case: bool = False


@dataclass(frozen=True, slots=True)
class LineSum:
    """What we plan of one line. `is_ours`: we ship it, as far as we know.

    `shown`: the waybill under which the platform shows the pieces *elsewhere*; empty where there are none.
    """

    quantity: int
    planned: int
    cancelled: int = 0
    elsewhere: int = 0
    is_ours: bool = True
    shown: str = ""


@dataclass(frozen=True, slots=True)
class PackageRecord:
    """A package with a booked waybill, and the pieces in it by line. `is_written_back`: its write-back is confirmed.

    `is_given_up`: it will never leave, so its pieces are free for another package, whatever its label says.
    """

    key: PartKey
    waybill: str
    lines: Mapping[str, int]
    is_written_back: bool = True
    is_handed_over: bool = True
    is_given_up: bool = False


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """Our record of a document. `location`: whose warehouse has it, where `is_placed`."""

    key: PartKey
    location: str
    is_placed: bool


@dataclass(frozen=True, slots=True)
class OurLedger:
    """Our records. `parts`: the fulfillment orders of each order. `unread`: payloads that could not be read.

    `not_ours`: orders that somebody else fulfils, or nobody. `kept_out`: orders that another system of the merchant
    ships. `booked`: packages by reference. `pieces`: promised, committed or shipped, by SKU. `skus`: of each line.
    `shown_waybills`: that warehouses booked by themselves, in no package of ours, and that a person sees.
    `documents`: by reference.
    """

    parts: Mapping[PartKey, Sequence[PartRecord]]
    unread: frozenset[PartKey]
    booked: Mapping[str, PackageRecord]
    pieces: Mapping[str, int]
    lines: Mapping[PartKey, Mapping[str, LineSum]] = field(default_factory=dict)
    skus: Mapping[tuple[PartKey, str], str] = field(default_factory=dict)
    not_ours: frozenset[PartKey] = frozenset()
    kept_out: frozenset[PartKey] = frozenset()
    shown_waybills: frozenset[str] = frozenset()
    documents: Mapping[str, DocumentRecord] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlatformWriteback:
    """A write-back that the platform accepted for a line; `at` in unix seconds. `pieces`: None for all of the line."""

    waybill: str
    at: float
    pieces: int | None = None


@dataclass(frozen=True, slots=True)
class PlatformLine:
    """The platform's record of one line.

    `is_merchants`: the merchant ships the line, or was to ship it. `gone_at`: since when (unix seconds) the merchant no
    longer ships it: closed, refunded, or shipped by somebody else. `is_wanted`: the platform still waits for the
    merchant to ship it.
    """

    line_id: str
    quantity: int
    told: tuple[PlatformWriteback, ...] = ()
    is_merchants: bool = True
    gone_at: float | None = None
    is_wanted: bool = False


@dataclass(frozen=True, slots=True)
class PlatformRecord:
    """The platform's record of one order. `group` ties the parts of one source order together."""

    key: PartKey
    group: str
    lines: tuple[PlatformLine, ...]


@dataclass(frozen=True, slots=True)
class CourierRecord:
    """The courier's record of one waybill. `pieces`: by SKU, as the label says; None where it cannot be read.

    `document`: where a warehouse booked it, the reference of the document whose pieces it carries; else empty.
    """

    reference: str
    waybill: str
    is_alive: bool
    pieces: Mapping[str, int] | None = None
    document: str = ""


@dataclass(frozen=True, slots=True)
class StockRecord:
    """The record of one SKU: counted before the run, told as shipped, and left in packages (None where unknown).

    `returned`: pieces that came back and can be sold again.
    """

    counted: int
    shipped: int
    left: int | None = None
    returned: int = 0


@dataclass(frozen=True, slots=True)
class OtherLedgers:
    """The witnesses' side. `stocked` by SKU.

    `documents`: references of the documents on which warehouses work, or have worked, once for each. `told`: locations
    whose warehouses keep documents. `undocumented`: numbers of packages that left a warehouse which was told of no
    document for them.
    """

    ordered: Sequence[PlatformRecord]
    courier_records: Sequence[CourierRecord]
    stocked: Mapping[str, StockRecord]
    documents: Sequence[str] = ()
    told: frozenset[str] = frozenset()
    undocumented: Sequence[str] = ()
