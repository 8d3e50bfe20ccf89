"""The rules a merchant may change: one frozen, versioned value read from a plain mapping.

A rule set is whole: every key must be there and unknown keys are errors, so what a file says is what
runs. `domain/default_rules.toml` is the packaged one and shows every key. Only keys that are younger than a
merchant's file (`YOUNGER_KEYS`) may be left out: they are then taken from the packaged rules, and named.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

from domain.money import parse_money
from domain.order import MemberLevel, OrderSource, OrderType
from domain.regions import region_key

_Kind = TypeVar("_Kind", bound=StrEnum)


# Keys that files of an earlier version do not have; a table counts as one key.
YOUNGER_KEYS = ("review.held_flags", "review.refund_asked_holds", "routing.split")


class RefundScope(StrEnum):
    """What a refund that is asked for some lines holds: the whole order, or those lines alone."""

    ORDER = "order"
    LINES = "lines"


class WhenShort(StrEnum):
    """What happens to an order that all locations together cannot fill: it waits as a whole, or the available pieces
    are shipped.
    """

    HOLD = "hold"
    SHIP_PART = "ship_part"


class InvalidRules(ValueError):
    """A rule set that cannot be used; `key` is the full dotted key at fault."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}")
        self.key = key


@dataclass(frozen=True, slots=True)
class LaneRules:
    """Weights in points. A score of `p0_at` or more is lane p0, of `p1_at` or more p1, below it bulk."""

    p0_at: int
    p1_at: int
    same_city: int
    in_stock: int
    source: Mapping[OrderSource, int]
    order_type: Mapping[OrderType, int]
    member_level: Mapping[MemberLevel, int]


@dataclass(frozen=True, slots=True)
class ReviewRules:
    """Word lists are casefolded. `approval_above`: currency -> minor units; empty switches approvals off.

    `held_flags`: the seller's flags, by the platform's numbers, that hold an order.
    """

    vague_words: tuple[str, ...]
    sensitive_words: tuple[str, ...]
    detail_min_chars: int
    approval_above: Mapping[str, int]
    refund_asked_holds: RefundScope
    held_flags: frozenset[int]


@dataclass(frozen=True, slots=True)
class CourierRule:
    """A courier product. `service` goes into the booking; `memo_names` are what people call the courier.

    `account`: the only contract with the courier that this is for; empty for all of them.
    """

    name: str
    service: str
    serves_remote: bool
    memo_names: tuple[str, ...]
    account: str = ""


@dataclass(frozen=True, slots=True)
class SplitRules:
    """`max_parts`: of one order; 1 is never split. `least_part_value`: currency -> minor units of paid goods.

    A currency that is not in it has no least value.
    """

    max_parts: int
    least_part_value: Mapping[str, int]
    when_short: WhenShort


@dataclass(frozen=True, slots=True)
class RoutingRules:
    """Provinces are region keys. `couriers` are in order of preference.

    `courier_by_province` names a courier, or one account of it.
    """

    preferred_locations: Mapping[str, tuple[str, ...]]
    remote_provinces: frozenset[str]
    couriers: tuple[CourierRule, ...]
    courier_by_province: Mapping[str, str]
    split: SplitRules


@dataclass(frozen=True, slots=True)
class ShipByRules:
    """Hours from payment to hand-over that a platform grants."""

    default_h: int
    platform_h: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All rules of one version. `version` is a digest of the content and is stored with every decision.

    `borrowed`: the younger keys that the merchant's file leaves out and that were taken from the packaged rules.
    """

    version: str
    lanes: LaneRules
    review: ReviewRules
    routing: RoutingRules
    ship_by: ShipByRules
    borrowed: tuple[str, ...] = ()


def parse_rules(mapping: Mapping[str, object], packaged: Mapping[str, object] | None = None) -> RuleSet:
    """Read and check a rule set. Raises InvalidRules (a ValueError) naming the key.

    Younger keys that `mapping` leaves out come from `packaged`; without it every key must be there.
    """
    content, borrowed = (mapping, ()) if packaged is None else _completed(mapping, packaged)
    root = _Table(content, "")
    lanes, review = _lanes(root.table("lanes")), _review(root.table("review"))
    routing, ship_by = _routing(root.table("routing")), _ship_by(root.table("ship_by"))
    root.close()
    # The digest covers borrowed keys too: other packaged values give another version.
    return RuleSet(_digest(content), lanes, review, routing, ship_by, borrowed)


def _completed(
    mapping: Mapping[str, object], packaged: Mapping[str, object]
) -> tuple[Mapping[str, object], tuple[str, ...]]:
    content = dict(mapping)
    borrowed = []
    for path in YOUNGER_KEYS:
        name, key = path.split(".")
        table, source = content.get(name), packaged.get(name)
        # A table that is missing as a whole is not old but broken, and is named when it is read.
        if isinstance(table, Mapping) and isinstance(source, Mapping) and key not in table:
            content[name] = {**table, key: source[key]}
            borrowed.append(path)
    return content, tuple(borrowed)


def _digest(mapping: Mapping[str, object]) -> str:
    # Layout, comments and the order of keys do not make a new version.
    content = json.dumps(mapping, sort_keys=True, ensure_ascii=False, default=list)
    return hashlib.sha256(content.encode()).hexdigest()[:12]


class _Table:
    """A table of a rules file while it is read: returns checked values by key and knows which keys were not read."""

    def __init__(self, content: object, path: str) -> None:
        if not isinstance(content, Mapping):
            raise InvalidRules(path, "must be a table")
        self._rest = {str(key): value for key, value in content.items()}
        self._path = path

    def key(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def take(self, name: str) -> object:
        if name not in self._rest:
            raise InvalidRules(self.key(name), "is missing")
        return self._rest.pop(name)

    def whole(self, name: str, *, at_least: int | None = None) -> int:
        value = self.take(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise InvalidRules(self.key(name), "must be a whole number")
        if at_least is not None and value < at_least:
            raise InvalidRules(self.key(name), f"must be at least {at_least}")
        return value

    def flag(self, name: str) -> bool:
        value = self.take(name)
        if not isinstance(value, bool):
            raise InvalidRules(self.key(name), "must be true or false")
        return value

    def text(self, name: str, *, may_be_empty: bool = False) -> str:
        value = self.take(name)
        if not isinstance(value, str) or not (value.strip() or may_be_empty):
            raise InvalidRules(self.key(name), "must be a text")
        return value.strip()

    def choice(self, name: str, kinds: type[_Kind]) -> _Kind:
        value = self.take(name)
        for kind in kinds:
            if value == kind.value:
                return kind
        raise InvalidRules(self.key(name), f"must be one of: {', '.join(kinds)}")

    def texts(self, name: str) -> tuple[str, ...]:
        values = self.take(name)
        # A blank entry in a word list would be found in every text.
        if not isinstance(values, list | tuple) or not all(isinstance(v, str) and v.strip() for v in values):
            raise InvalidRules(self.key(name), "must be a list of texts, none blank")
        return tuple(value.strip() for value in values)

    def wholes(self, name: str) -> frozenset[int]:
        values = self.take(name)
        if not isinstance(values, list | tuple) or not all(type(value) is int for value in values):
            raise InvalidRules(self.key(name), "must be a list of whole numbers")
        return frozenset(values)

    def table(self, name: str) -> "_Table":
        return _Table(self.take(name), self.key(name))

    def tables(self, name: str) -> list["_Table"]:
        values = self.take(name)
        if not isinstance(values, list | tuple):
            raise InvalidRules(self.key(name), "must be a list of tables")
        return [_Table(value, f"{self.key(name)}[{index}]") for index, value in enumerate(values)]

    def names(self) -> tuple[str, ...]:
        return tuple(self._rest)

    def close(self) -> None:
        for name in self._rest:
            raise InvalidRules(self.key(name), "is not a rule")


def _lanes(table: _Table) -> LaneRules:
    p1_at = table.whole("p1_at")
    rules = LaneRules(
        p0_at=table.whole("p0_at", at_least=p1_at + 1),
        p1_at=p1_at,
        same_city=table.whole("same_city"),
        # Known stock may never slow an order down, else a lane could drop while nothing got worse.
        in_stock=table.whole("in_stock", at_least=0),
        source=_weights(table.table("source"), OrderSource),
        order_type=_weights(table.table("order_type"), OrderType),
        member_level=_weights(table.table("member_level"), MemberLevel),
    )
    table.close()
    return rules


def _weights(table: _Table, kinds: type[_Kind]) -> Mapping[_Kind, int]:
    weights = {kind: table.whole(kind.value) for kind in kinds}
    table.close()
    return MappingProxyType(weights)


def _review(table: _Table) -> ReviewRules:
    rules = ReviewRules(
        vague_words=_casefolded(table.texts("vague_words")),
        sensitive_words=_casefolded(table.texts("sensitive_words")),
        detail_min_chars=table.whole("detail_min_chars", at_least=0),
        approval_above=_amounts(table.table("approval_above")),
        refund_asked_holds=table.choice("refund_asked_holds", RefundScope),
        held_flags=table.wholes("held_flags"),
    )
    table.close()
    return rules


def _casefolded(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(word.casefold() for word in words)


def _amounts(table: _Table) -> Mapping[str, int]:
    amounts: dict[str, int] = {}
    for currency in table.names():
        try:
            amounts[currency] = parse_money(table.text(currency), currency).minor
        except InvalidRules:
            raise
        except ValueError as error:
            raise InvalidRules(table.key(currency), str(error)) from None
    return MappingProxyType(amounts)


def _routing(table: _Table) -> RoutingRules:
    couriers = tuple(_courier(entry) for entry in table.tables("couriers"))
    if not couriers:
        raise InvalidRules(table.key("couriers"), "must name at least one courier")
    rules = RoutingRules(
        preferred_locations=_preferences(table.tables("regions")),
        remote_provinces=frozenset(map(region_key, table.texts("remote_provinces"))),
        couriers=couriers,
        courier_by_province=_province_couriers(
            table.table("courier_by_province"), frozenset(courier.name for courier in couriers)
        ),
        split=_split(table.table("split")),
    )
    table.close()
    return rules


def _split(table: _Table) -> SplitRules:
    rules = SplitRules(
        max_parts=table.whole("max_parts", at_least=1),
        least_part_value=_amounts(table.table("least_part_value")),
        when_short=table.choice("when_short", WhenShort),
    )
    table.close()
    return rules


def _courier(table: _Table) -> CourierRule:
    rule = CourierRule(
        name=table.text("name"),
        service=table.text("service", may_be_empty=True),
        serves_remote=table.flag("serves_remote"),
        memo_names=_casefolded(table.texts("memo_names")),
        account=table.text("account") if "account" in table.names() else "",
    )
    if rule.account and not rule.account.startswith(f"{rule.name}/"):
        raise InvalidRules(table.key("account"), f"must be an account of {rule.name}, as in {rule.name}/NAME")
    table.close()
    return rule


def _preferences(regions: Iterable[_Table]) -> Mapping[str, tuple[str, ...]]:
    preferred: dict[str, tuple[str, ...]] = {}
    for region in regions:
        locations = region.texts("locations")
        for province in map(region_key, region.texts("provinces")):
            if province in preferred:
                raise InvalidRules(region.key("provinces"), f"{province} stands in two regions")
            preferred[province] = locations
        region.close()
    return MappingProxyType(preferred)


def _province_couriers(table: _Table, known: frozenset[str]) -> Mapping[str, str]:
    chosen: dict[str, str] = {}
    for province in table.names():
        courier = table.text(province)
        if courier.partition("/")[0] not in known:
            raise InvalidRules(table.key(province), f"no courier {courier} in routing.couriers")
        chosen[region_key(province)] = courier
    return MappingProxyType(chosen)


def _ship_by(table: _Table) -> ShipByRules:
    default_h, platforms = table.whole("default_h", at_least=1), table.table("platform_h")
    platform_h = {name: platforms.whole(name, at_least=1) for name in platforms.names()}
    table.close()
    return ShipByRules(default_h, MappingProxyType(platform_h))
