"""Lists of orders, page by page: each page looks at a bounded stretch of orders, whatever the filter."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from psycopg.rows import dict_row

from domain.cases import BESIDE_THE_ORDER, ENDS_UNDELIVERED
from domain.errors import Refused
from domain.money import Money
from domain.states import State
from infra.process.steps import hurried_by_subject
from infra.tables.pool import Connection
from infra.tables.sql import load

ORDER_LIST = load("order_list")

# A page reads at most this many orders, section by section; each section is one statement, and the first ones are
# short.
LOOKED_MAX = 50_000
_STRETCH_FIRST, _STRETCH_MAX = 200, 20_000
# Orders of a narrow set (held ones, or those with letters) that one statement reads.
_NARROW = 2_000
# Orders get their ids before they commit, so the order of ids and of commit times may differ by this time.
_CROSSWISE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilter:
    """A filter of orders; None: any value.

    `states`: one of these; none named: any. `shop`: a shop's name, or its account. `hold`, `owner`: of one open hold.
    `older_than`, `since`: when it came in. `least`, `most`: what is payable, of orders in that currency. `location`:
    where it is picked. `courier`: a courier, or an account of one. `has_letter`: a dead letter of it is open. `phone`:
    how the receiver's number ends, which is personal data and kept nowhere.

    Raises Refused ``filter_malformed`` for an empty text: a shell variable that was not set must not choose orders; and
    for two currencies.
    """

    states: tuple[State, ...] = ()
    shop: str | None = None
    lane: str | None = None
    hold: str | None = None
    owner: str | None = None
    older_than: datetime | None = None
    since: datetime | None = None
    due_before: datetime | None = None
    least: Money | None = None
    most: Money | None = None
    sku: str | None = None
    location: str | None = None
    courier: str | None = None
    has_letter: bool = False
    phone: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name in ("shop", "lane", "hold", "owner", "sku", "location", "courier", "phone"):
            if getattr(self, name) == "":
                raise Refused("filter_malformed", f"the {name} asked for is empty", {"field": name})
        if self.least is not None and self.most is not None and self.least.currency != self.most.currency:
            raise Refused("filter_malformed", "the amounts asked for are in two currencies", {"field": "most"})

    @property
    def is_empty(self) -> bool:
        return self == OrderFilter()

    @property
    def is_about_holds(self) -> bool:
        """Whether only orders with an open hold can pass."""
        return self.hold is not None or self.owner is not None or set(self.states) == {State.ON_HOLD}

    def asked(self) -> dict[str, Any]:
        """What is asked, by name, without personal data."""
        named = {name: getattr(self, name) for name in self.__slots__ if name not in {"phone", "states"}}
        named["state"] = ", ".join(self.states) or None
        return {name: value for name, value in named.items() if value not in (None, False)}

    def named(self) -> dict[str, Any]:
        """The values for the statements, by name."""
        named = {name: getattr(self, name) for name in self.__slots__}
        least, most = named.pop("least"), named.pop("most")
        return {
            **named,
            "states": list(self.states) or None,
            "least_minor": None if least is None else least.minor,
            "most_minor": None if most is None else most.minor,
            "currency": next((one.currency for one in (least, most) if one is not None), None),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedOrder:
    """An order as a line of a list. `state`, `lane` and what it waits for are those of one of its `parts`.

    `worth`: what the buyer owes or has paid. `holds`: codes of open holds, the first due first, and the owner of that.
    `step`: what is due next, since or at `due_at`; behind which `gate` it rests. `has_left`: it was handed over.
    `case_kinds`: of its open cases that keep it open, the first due first, and the owner of that. `is_followed`: a
    courier is still asked about a package of it. `had_trouble`: a parcel of it came back, was lost, or was given up.
    `delivered_at`: of its last package. `seen_at` is the database's time.
    """

    id: int
    platform: str
    shop: str
    platform_order_id: str
    state: str
    lane: str
    parts: int
    worth: Money
    received_at: datetime
    ship_by: datetime | None
    seen_at: datetime
    holds: list[str]
    hold_owner: str | None
    letter_id: int | None
    letter_code: str | None
    letter_owner: str | None
    step: str | None
    due_at: datetime | None
    gate: str | None
    is_booked: bool
    has_left: bool
    case_kinds: list[str] = field(default_factory=list)
    case_owner: str | None = None
    is_followed: bool = False
    had_trouble: bool = False
    delivered_at: datetime | None = None

    @property
    def name(self) -> str:
        """The id that means this order and no other."""
        return f"{self.platform}/{self.shop}/{self.platform_order_id}"


@dataclass(frozen=True, slots=True)
class OrderIdPage:
    """(order, fulfillment order) ids of a page. `after`: where the next page begins; None: there is none.

    `is_cut`: the page ended because it had looked at as many orders as it may, not because it is full.
    """

    ids: tuple[tuple[int, int], ...]
    after: int | None
    is_cut: bool = False


def choose_orders(
    tx: Connection,
    wanted: OrderFilter,
    *,
    after: int | None = None,
    limit: int,
    oldest_first: bool = False,
    looked_max: int = LOOKED_MAX,
) -> OrderIdPage:
    """A page of orders, the newest or the oldest first. `after`: the order id at which the page before ended."""
    walk = _Walk(tx, wanted, 1 if oldest_first else -1)
    low, high = walk.bounds(after)
    found: list[tuple[int, int]] = []
    looked, size = 0, _STRETCH_FIRST
    while low <= high:
        if looked >= looked_max:
            return OrderIdPage(tuple(found), low - 1 if oldest_first else high + 1, is_cut=True)
        stretch = walk.stretch(low, high, size)
        found += walk.look(stretch)
        if len(found) > limit:
            return OrderIdPage(tuple(found[:limit]), found[limit - 1][0])
        looked += stretch.size
        size = min(_STRETCH_MAX, 2 * size)
        low, high = (stretch.high + 1, high) if oldest_first else (low, stretch.low - 1)
    return OrderIdPage(tuple(found), None)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Orders to look at together: all from `low` to `high`, or those of them in `only`. `size`: how many at most."""

    low: int
    high: int
    size: int
    only: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class _Walk:
    """The way through the orders of a filter, stretch by stretch. `way`: 1 from the oldest on, -1 from the newest."""

    tx: Connection
    wanted: OrderFilter
    way: int

    def bounds(self, after: int | None) -> tuple[int, int]:
        """The lowest and the highest id that can pass."""
        row = self.tx.execute(ORDER_LIST["bounds"]).fetchone()
        assert row is not None
        low, high = row
        if self.wanted.since is not None:
            low = self._first_since(self.wanted.since - _CROSSWISE, low, high)
        if self.wanted.older_than is not None:
            high = self._first_since(self.wanted.older_than + _CROSSWISE, low, high)
        if after is not None:
            low, high = (max(low, after + 1), high) if self.way > 0 else (low, min(high, after - 1))
        return low, high

    def _first_since(self, moment: datetime, low: int, high: int) -> int:
        """The first order that came in at `moment` or later, or the last of all: found by a score of look-ups."""
        while low < high:
            middle = (low + high) // 2
            row = self.tx.execute(ORDER_LIST["neighbour"], {"id": middle}).fetchone()
            if row is not None and row[0] >= low and row[1] >= moment:
                high = row[0]
            else:
                low = middle + 1
        return low

    def stretch(self, low: int, high: int, size: int) -> _Stretch:
        """The next orders to look at."""
        if not (self.wanted.is_about_holds or self.wanted.has_letter):
            ends = (low, min(high, low + size - 1)) if self.way > 0 else (max(low, high - size + 1), high)
            return _Stretch(*ends, size)
        query = ORDER_LIST["held"] if self.wanted.is_about_holds else ORDER_LIST["lettered"]
        named = {"low": low, "high": high, "hold": self.wanted.hold, "owner": self.wanted.owner}
        rows = self.tx.execute(query, {**named, "way": self.way, "limit": _NARROW}).fetchall()
        only = tuple(row[0] for row in rows)
        if len(only) < _NARROW:
            return _Stretch(low, high, len(only), only)
        return _Stretch(low, only[-1], len(only), only) if self.way > 0 else _Stretch(only[-1], high, len(only), only)

    def look(self, stretch: _Stretch) -> list[tuple[int, int]]:
        """Those of a stretch that pass, in the order of the walk."""
        if stretch.only == ():
            return []
        only = None if stretch.only is None else list(stretch.only)
        named = {**self.wanted.named(), "low": stretch.low, "high": stretch.high, "only": only}
        rows = self.tx.execute(ORDER_LIST["chosen"], named).fetchall()
        return [(order_id, part_id) for order_id, part_id in rows[:: self.way]]


def parts_of(tx: Connection, order_ids: Sequence[int]) -> list[tuple[int, int]]:
    """Of each order the (order, fulfillment order) that a list shows, the newest first; unknown orders are left out."""
    if not order_ids:
        return []
    only = sorted(order_ids)
    named = {**OrderFilter().named(), "low": only[0], "high": only[-1], "only": only}
    rows = tx.execute(ORDER_LIST["chosen"], named).fetchall()
    return [(order_id, part_id) for order_id, part_id in reversed(rows)]


def load_listed(tx: Connection, chosen: Sequence[tuple[int, int]]) -> list[ListedOrder]:
    """The columns of a list of orders, in the order of their (order, fulfillment order) ids."""
    ids = {"order_ids": [order_id for order_id, _ in chosen], "part_ids": [part_id for _, part_id in chosen]}
    named = {
        **ids,
        **hurried_by_subject(),
        "beside": sorted(BESIDE_THE_ORDER),
        "undelivered": sorted(ENDS_UNDELIVERED),
    }
    with tx.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(ORDER_LIST["facts"], named)
        return [ListedOrder(worth=Money(row.pop("payable_minor"), row.pop("currency")), **row) for row in rows]


def find_by_names(tx: Connection, names: Sequence[str]) -> list[list[int]]:
    """The orders that each name may mean, in the order of the names.

    A name is our id, the platform's order id, ``shop/platform-order-id``, ``platform/shop/platform-order-id``, a
    waybill, or the reference of a package.
    """
    found: list[list[int]] = [[] for _ in names]
    for place, order_id in tx.execute(ORDER_LIST["find_many"], {"names": list(names)}):
        found[place - 1].append(order_id)
    return found
