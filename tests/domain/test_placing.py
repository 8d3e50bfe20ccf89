import pytest

from domain.holds import HoldCode
from domain.money import Money
from domain.order import Address
from domain.placing import choose_placement
from domain.routing import Candidate, Contract, Unroutable
from domain.rules import WhenShort
from domain.splitting import Want

RECEIVER = Address("n", "p", "浙江", "杭州", "d", "", "x")


def want(line_id, sku, quantity=1, value=1000):
    return Want(line_id, sku, quantity, Money(value, "CNY"))


def site(location, couriers=("sf",), **available):
    return Candidate(location, "", "", tuple(Contract(f"{name}/main", name) for name in couriers), available)


@pytest.fixture
def ask(ruled):
    def build(wants, candidates, *, divides_lines=False, parts_made=0, **limit):
        rules = ruled(limit={"when_short": WhenShort.SHIP_PART} | limit)
        return choose_placement(wants, RECEIVER, candidates, rules, divides_lines=divides_lines, parts_made=parts_made)

    return build


THREE = [want("l1", "A", 2), want("l2", "B", 3), want("l3", "C", 1)]


def pieces(placed):
    return [(part.location, part.pieces) for part in placed.parts]


def test_one_location_then_a_split(ask):
    whole = ask(THREE, [site("b", A=2, B=3, C=1), site("a", A=2, B=3)])
    assert (pieces(whole), whole.waiting, whole.short) == ([("b", {"l1": 2, "l2": 3, "l3": 1})], {}, "")
    assert whole.parts[0].reasons == ("b: most stock", "sf: by order of the rules", "a: cannot fill the order")
    parts = ask(THREE, [site("a", A=2, B=3), site("b", C=1)])
    assert (pieces(parts), parts.waiting) == ([("a", {"l1": 2, "l2": 3}), ("b", {"l3": 1})], {})


def test_an_order_that_is_short_is_held_whole_unless_a_rule_ships_a_part(ask):
    candidates = [site("a", A=2, B=1), site("b", C=1)]
    held = ask(THREE, candidates, when_short=WhenShort.HOLD)
    assert held == Unroutable(HoldCode.STOCK_SHORT_PAID, {"split_needed": False, "short": "B 1/3"})
    placed = ask(THREE, candidates)
    assert pieces(placed) == [("a", {"l1": 2}), ("b", {"l3": 1})]
    assert (placed.waiting, placed.short) == ({"l2": 3}, "B 1/3")
    assert placed.parts[0].reasons[-1] == "ships what is in stock, the rest of the order waits"


def test_where_lines_are_divided_the_pieces_that_are_there_go(ask):
    placed = ask(THREE, [site("a", A=2, B=1), site("b", B=1, C=1)], divides_lines=True)
    assert pieces(placed) == [("a", {"l1": 2, "l2": 1}), ("b", {"l2": 1, "l3": 1})]
    assert placed.waiting == {"l2": 1}


def test_a_line_that_no_location_has_whole_waits_too(ask):
    placed = ask(THREE, [site("a", A=2, B=2, C=1), site("b", B=2)])
    assert (pieces(placed), placed.waiting) == ([("a", {"l1": 2, "l3": 1})], {"l2": 3})
    assert placed.short == "no location has all pieces of l2"


def test_the_part_that_waits_counts_as_a_part(ask):
    candidates = [site("a", A=2), site("b", C=1)]
    assert len(ask(THREE, candidates, max_parts=3).parts) == 2
    # With two in all one part may go now: the one that ships the most.
    one = ask(THREE, candidates, max_parts=2)
    assert (pieces(one), one.waiting) == ([("a", {"l1": 2})], {"l2": 3, "l3": 1})
    for limit in ({"max_parts": 1}, {"max_parts": 3, "parts_made": 2}):
        refused = ask(THREE, candidates, **limit)
        assert (refused.code, refused.facts["short"]) == (HoldCode.STOCK_SHORT_PAID, "B 0/3")
        assert refused.facts["part_refused"] == "max_parts"
        assert refused.facts["parts_needed"] == 2


@pytest.mark.parametrize(("going", "staying"), [(1000, 900), (900, 1000)])
def test_neither_what_goes_nor_what_waits_may_be_of_low_value(ask, going, staying):
    wants = [want("l1", "A", 2, going), want("l2", "B", 3, staying)]
    assert ask(wants, [site("a", A=2)], least_part_value={"CNY": 900}).waiting == {"l2": 3}
    refused = ask(wants, [site("a", A=2)], least_part_value={"CNY": 901})
    assert refused.facts == {
        "split_needed": False,
        "short": "B 0/3",
        "part_refused": "least_part_value",
        "least_part_value": "9.01 CNY",
        "part_value": "9.00 CNY",
    }


def test_parts_that_go_now_keep_the_least_value_among_them(ask):
    wants = [want("l1", "A", 1, 1000), want("l2", "B", 1, 10), want("l3", "C", 1, 1000)]
    refused = ask(wants, [site("a", A=1), site("b", B=1)], least_part_value={"CNY": 100})
    assert (refused.facts["part_refused"], refused.facts["part_value"]) == ("least_part_value", "0.10 CNY")


def test_nothing_in_stock_and_gifts_alone_do_not_go(ask):
    assert ask(THREE, []).facts["part_refused"] == "nothing_in_stock"
    refused = ask([want("l1", "A", value=0), want("l2", "B")], [site("a", A=1)])
    assert refused.facts["part_refused"] == "nothing_paid"
    assert ask([want("l1", "A", value=0), want("l2", "B", value=0)], [site("a", A=1)]).waiting == {"l2": 1}


def test_a_missing_courier_is_no_want_of_stock(ask):
    refused = ask(THREE, [site("a", couriers=(), A=2, B=3), site("b", C=1)])
    assert refused.code is HoldCode.REMOTE_COURIER
    assert "part_refused" not in refused.facts


@pytest.mark.parametrize("wants", [[], [want("l1", "A"), want("l1", "B")]])
def test_what_is_no_order_raises(ask, wants):
    with pytest.raises(ValueError, match="nothing is wanted, or a line stands twice"):
        ask(wants, [site("a", A=1, B=1)])
