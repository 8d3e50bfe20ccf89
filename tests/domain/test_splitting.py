import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.holds import HoldCode
from domain.money import Money
from domain.order import Address
from domain.placing import Placement, choose_placement
from domain.routing import Candidate, Contract, Route, Unroutable, route
from domain.rules import CourierRule, WhenShort
from domain.splitting import Part, Want, split

SF = CourierRule("sf", "1", serves_remote=False, memo_names=("顺丰", "sf"))
EMS = CourierRule("ems", "", serves_remote=True, memo_names=("邮政", "ems"))


def address(province="浙江", city="杭州"):
    return Address("n", "p", province, city, "d", "", "x")


HANGZHOU = address()


def want(line_id, sku, quantity=1, value=1000, currency="CNY"):
    return Want(line_id, sku, quantity, Money(value, currency))


def site(location, available, province="安徽", couriers=("sf",)):
    return Candidate(location, province, "", tuple(Contract(f"{name}/main", name) for name in couriers), available)


@pytest.fixture(scope="session")
def ask(ruled):
    """Split with the rule of couriers that everybody has."""

    def build(wants, candidates, limit=None, *, divides_lines=False, receiver=HANGZHOU, **more):
        rules = ruled(SF, EMS, limit=limit)
        return split(wants, receiver, candidates, rules, divides_lines=divides_lines, **more)

    return build


TWO = [want("l1", "A", 5), want("l2", "B", 2), want("l3", "C")]
EAST, WEST = site("east", {"A": 9, "C": 1}, "浙江"), site("west", {"B": 2, "C": 4})


def test_each_part_says_where_how_and_why(ask):
    why = "no single location has all: east lacks B; west lacks A"
    assert ask(TWO, [WEST, EAST]) == (
        Part(
            "east", "sf", "sf/main", "1", {"l1": 5, "l3": 1}, ("east: same province", "sf: by order of the rules", why)
        ),
        Part("west", "sf", "sf/main", "1", {"l2": 2}, ("west: most stock", "sf: by order of the rules", why)),
    )


def test_one_location_alone_is_one_part(ask):
    (part,) = ask(TWO, [EAST, site("all", {"A": 5, "B": 2, "C": 1})])
    assert (part.location, part.pieces) == ("all", {"l1": 5, "l2": 2, "l3": 1})
    assert part.reasons == ("all: most stock", "sf: by order of the rules")


def test_a_line_is_divided_only_where_the_platform_can_say_it(ask):
    candidates = [site("a", {"A": 3}), site("b", {"A": 2})]
    parts = ask([want("l1", "A", 5)], candidates, divides_lines=True)
    assert [(part.location, part.pieces) for part in parts] == [("a", {"l1": 3}), ("b", {"l1": 2})]
    assert ask([want("l1", "A", 5)], candidates) == Unroutable(
        HoldCode.STOCK_SHORT_PAID, {"split_needed": True, "split_refused": "undivided_line", "lines": "l1"}
    )


def test_what_is_short_everywhere_is_named(ask):
    refused = ask([want("l1", "A", 5), want("l2", "B", 2), want("l3", "X")], [EAST, site("b", {"B": 1})])
    assert refused == Unroutable(HoldCode.STOCK_SHORT_PAID, {"split_needed": False, "short": "B 1/2, X 0/1"})
    many = [want(f"l{number}", f"S{number}") for number in range(9)]
    assert ask(many, []).facts["short"] == "S0 0/1, S1 0/1, S2 0/1, S3 0/1, S4 0/1 and 4 more"


def test_too_many_parts_are_refused_with_the_numbers(ask):
    candidates = [site("a", {"A": 5}), site("b", {"B": 2}), site("c", {"C": 1})]
    assert len(ask(TWO, candidates, {"max_parts": 3})) == 3
    facts = {"split_needed": True, "split_refused": "max_parts", "max_parts": 2, "parts_needed": 3}
    assert ask(TWO, candidates, {"max_parts": 2}) == Unroutable(HoldCode.STOCK_SHORT_PAID, facts)
    made = ask(TWO, candidates, {"max_parts": 3}, parts_made=1)
    assert made == Unroutable(HoldCode.STOCK_SHORT_PAID, facts | {"max_parts": 3, "parts_made": 1})
    assert ask(TWO, [EAST, WEST], {"max_parts": 1}).facts["parts_needed"] == 2


def test_what_is_left_of_a_split_order_still_goes_as_one_part(ask):
    whole = site("all", {"A": 5, "B": 2, "C": 1})
    assert len(ask(TWO, [whole], {"max_parts": 1, "least_part_value": {"CNY": 999_999}}, parts_made=4)) == 1


def test_a_part_of_low_value_is_refused_with_the_numbers(ask):
    wants = [want("l1", "A", 5, 20_000), want("l2", "B", 2, 900)]
    limit = {"least_part_value": {"CNY": 3000}}
    facts = {
        "split_needed": True,
        "split_refused": "least_part_value",
        "least_part_value": "30.00 CNY",
        "part_value": "9.00 CNY",
        "parts_needed": 2,
    }
    assert ask(wants, [EAST, WEST], limit) == Unroutable(HoldCode.STOCK_SHORT_PAID, facts)
    # Without the limit, and in a currency that it does not name, it goes.
    assert len(ask(wants, [EAST, WEST])) == 2
    dollars = [dataclasses.replace(one, value=Money(one.value.minor, "USD")) for one in wants]
    assert len(ask(dollars, [EAST, WEST], limit)) == 2


def test_the_limit_takes_other_locations_where_there_are_any(ask):
    wants = [want("l1", "A", 1, 5000), want("l2", "B", 1, 5000), want("l3", "C", 1, 100)]
    near = [site("near", {"A": 1, "B": 1}, "浙江"), site("near-c", {"C": 1}, "浙江")]
    far = [site("far", {"B": 1, "C": 1})]
    locations = [part.location for part in ask(wants, [*near, *far])]
    limited = [part.location for part in ask(wants, [*near, *far], {"least_part_value": {"CNY": 1000}})]
    assert (locations, limited) == (["near", "near-c"], ["near", "far"])


def test_a_location_without_a_courier_is_no_candidate(ask):
    to_xinjiang = address("新疆", "")
    wests = [site("w-sf", {"B": 2, "C": 4}), site("w-ems", {"B": 2}, couriers=("sf", "ems"))]
    east = site("east", {"A": 9, "C": 1}, couriers=("ems",))
    parts = ask(TWO, [east, *wests], receiver=to_xinjiang)
    assert [(part.location, part.courier) for part in parts] == [("east", "ems"), ("w-ems", "ems")]
    assert "w-sf: sf does not serve 新疆 at this grade" in parts[0].reasons
    facts = {"province": "新疆", "is_remote": True, "short": "B 0/2"}
    assert ask(TWO, [east, wests[0]], receiver=to_xinjiang) == Unroutable(HoldCode.REMOTE_COURIER, facts)
    waived = ask(TWO, [east, wests[0]], receiver=to_xinjiang, waived=frozenset({HoldCode.REMOTE_COURIER}))
    assert [part.courier for part in waived] == ["ems", "sf"]


def test_each_part_follows_the_wish_of_the_memo_where_it_can(ask):
    east = dataclasses.replace(EAST, contracts=(*EAST.contracts, Contract("ems/main", "ems")))
    parts = ask(TWO, [east, WEST], seller_memo="改为发邮政")
    assert [part.courier for part in parts] == ["ems", "sf"]
    assert "west: ems, asked for in the memo, does not pick up here" in parts[1].reasons


@pytest.mark.parametrize(
    "wants", [[], [want("l1", "A"), want("l1", "B")], [want("l1", "A"), want("l2", "B", currency="USD")]]
)
def test_what_is_no_order_raises(ask, wants):
    with pytest.raises(ValueError, match=r"nothing is wanted|stands twice|cannot mix"):
        ask(wants, [EAST])


def test_a_line_wants_a_piece():
    with pytest.raises(ValueError, match="at least one piece"):
        want("l1", "A", 0)


@st.composite
def orders(draw):
    numbers = range(draw(st.integers(1, 4)))
    return [
        want(f"l{n}", draw(st.sampled_from("ABC")), draw(st.integers(1, 4)), draw(st.integers(0, 60))) for n in numbers
    ]


candidates_any = st.lists(
    st.builds(
        Candidate,
        st.sampled_from(["a", "b", "c", "d", "e"]),
        st.sampled_from(["", "浙江", "新疆"]),
        st.sampled_from(["", "杭州"]),
        st.lists(
            st.sampled_from([Contract("sf/a", "sf"), Contract("sf/b", "sf"), Contract("ems/a", "ems")]), unique=True
        ).map(tuple),
        st.dictionaries(st.sampled_from("ABC"), st.integers(0, 5)),
    ),
    unique_by=lambda candidate: candidate.location,
)
limits = st.fixed_dictionaries(
    {
        "max_parts": st.integers(1, 4),
        "least_part_value": st.sampled_from([{}, {"CNY": 15}, {"CNY": 40}, {"USD": 9999}]),
        "when_short": st.sampled_from(WhenShort),
    }
)


def faults(wants, candidates, parts, waiting, *, divides_lines):
    """Everything that no placement may do."""
    found = []
    left = {(one.location, sku): count for one in candidates for sku, count in one.available.items()}
    skus = {one.line_id: one.sku for one in wants}
    for one in wants:
        counts = [part.pieces[one.line_id] for part in parts if one.line_id in part.pieces]
        if any(count < 1 for count in counts) or sum(counts) + waiting.get(one.line_id, 0) != one.quantity:
            found.append(f"{one.line_id}: pieces lost or doubled")
        if not divides_lines and counts not in ([], [one.quantity]):
            found.append(f"{one.line_id}: divided")
    for part in parts:
        for line_id, count in part.pieces.items():
            left[part.location, skus[line_id]] = left.get((part.location, skus[line_id]), 0) - count
    if any(count < 0 for count in left.values()):
        found.append("more than a location has")
    locations = [part.location for part in parts]
    if len(set(locations)) < len(locations) or not all(part.pieces for part in parts):
        found.append("a location twice, or an empty part")
    return found


def value(wants, pieces):
    return sum(one.value.minor * pieces.get(one.line_id, 0) // one.quantity for one in wants)


@given(st.data(), orders(), candidates_any, limits)
def test_whatever_comes_no_piece_is_lost_doubled_or_taken_twice(ruled, data, wants, candidates, limit):
    divides_lines = data.draw(st.booleans())
    province, parts_made = data.draw(st.sampled_from(["浙江", "新疆"])), data.draw(st.integers(0, 2))
    rules, receiver = ruled(SF, EMS, limit=limit), address(province)

    def asked(found):
        return choose_placement(wants, receiver, found, rules, divides_lines=divides_lines, parts_made=parts_made)

    placed = asked(candidates)
    turned = asked(candidates[::-1])
    if isinstance(placed, Unroutable):
        assert turned == placed
        return
    where = [(part.location, part.courier, part.pieces) for part in placed.parts]
    assert [(part.location, part.courier, part.pieces) for part in turned.parts] == where
    assert faults(wants, candidates, placed.parts, placed.waiting, divides_lines=divides_lines) == []
    by_name = {one.location: one for one in candidates}
    assert all(Contract(part.account, part.courier) in by_name[part.location].contracts for part in placed.parts)
    assert province != "新疆" or {part.courier for part in placed.parts} == {"ems"}
    shipments = [part.pieces for part in placed.parts] + ([placed.waiting] if placed.waiting else [])
    if len(shipments) > 1:
        assert len(shipments) <= max(1, limit["max_parts"] - parts_made)
        assert min(value(wants, pieces) for pieces in shipments) >= limit["least_part_value"].get("CNY", 0)
    if placed.waiting:
        assert limit["when_short"] is WhenShort.SHIP_PART


@given(orders(), candidates_any, st.booleans())
def test_a_single_location_is_chosen_as_ever(ruled, wants, candidates, divides_lines):
    rules = ruled(SF, EMS)
    pieces = {}
    for one in wants:
        pieces[one.sku] = pieces.get(one.sku, 0) + one.quantity
    alone = route(pieces, address(), candidates, rules)
    parts = split(wants, address(), candidates, rules, divides_lines=divides_lines)
    placed = choose_placement(wants, address(), candidates, rules, divides_lines=divides_lines)
    if isinstance(alone, Route):
        (part,) = placed.parts
        assert (part.location, part.courier, part.reasons) == (alone.location, alone.courier, alone.reasons)
        assert [(one.location, one.courier, one.pieces) for one in parts] == [
            (part.location, part.courier, part.pieces)
        ]
    else:
        assert (placed.parts if isinstance(placed, Placement) else placed) == parts
        assert isinstance(parts, Unroutable) or len(parts) > 1


def test_the_faults_of_a_placement_are_found():
    # Broken twins of the split of TWO: each does one thing that no placement may do.
    east, west = {"l1": 5, "l3": 1}, {"l2": 2}

    def found(east, west, waiting=(), candidates=(EAST, WEST)):
        parts = [Part("east", "sf", "sf/main", "", east, ()), Part("west", "sf", "sf/main", "", west, ())]
        return faults(TWO, candidates, parts, dict(waiting), divides_lines=False)

    assert found(east, west) == []
    assert found(east, {}, {"l2": 2}) == ["a location twice, or an empty part"]
    assert found({"l1": 5}, west) == ["l3: pieces lost or doubled"]
    assert found(east, west | {"l3": 1}) == ["l3: pieces lost or doubled", "l3: divided"]
    assert found(east, west, candidates=[EAST, site("west", {"B": 1})]) == ["more than a location has"]
    assert found({"l1": 4, "l3": 1}, west | {"l1": 1}, candidates=[EAST, site("west", {"A": 1, "B": 2})]) == [
        "l1: divided"
    ]
