from hypothesis import given
from hypothesis import strategies as st

from domain.lanes import lane_facts, score
from domain.order import Lane, LaneFacts, MemberLevel, OrderSource, OrderType
from domain.rules import parse_rules

CITIES = ("杭州市",)
EXAMPLE = LaneFacts(OrderSource.LIVE, OrderType.NORMAL, MemberLevel.PLUS, "杭州")

facts = st.builds(
    LaneFacts,
    st.sampled_from(OrderSource),
    st.sampled_from(OrderType),
    st.sampled_from(MemberLevel),
    st.sampled_from(["", "杭州", "杭州市", "宁波市"]),
)
URGENCY = {Lane.BULK: 0, Lane.P1: 1, Lane.P0: 2}


def test_live_stream_plus_member_and_same_city_is_p0(rules):
    decision = score(EXAMPLE, CITIES, rules, in_stock=None)
    assert decision.lane is Lane.P0
    assert decision.score == 90
    assert decision.reasons == ("source live +40", "member level plus +30", "same city +20")


def test_without_any_one_of_the_three_it_is_not(rules):
    for weaker in (
        LaneFacts(OrderSource.SHELF, OrderType.NORMAL, MemberLevel.PLUS, "杭州"),
        LaneFacts(OrderSource.LIVE, OrderType.NORMAL, MemberLevel.VIP, "杭州"),
        LaneFacts(OrderSource.LIVE, OrderType.NORMAL, MemberLevel.PLUS, "宁波"),
    ):
        assert score(weaker, CITIES, rules, in_stock=True).lane is Lane.P1


def test_a_plain_order_is_bulk(rules):
    decision = score(LaneFacts(), CITIES, rules, in_stock=True)
    assert (decision.lane, decision.score, decision.reasons) == (Lane.BULK, 0, ())


def test_a_lane_changes_exactly_at_its_threshold(rules, tree):

    mapping = tree()
    mapping["lanes"]["p0_at"] = 91
    assert score(EXAMPLE, CITIES, parse_rules(mapping), in_stock=None).lane is Lane.P1


def test_short_of_stock_says_why_it_is_not_p0(rules):
    decision = score(EXAMPLE, CITIES, rules, in_stock=False)
    assert decision.lane is Lane.P1
    assert decision.reasons[-1] == "short of stock: not p0"


@given(facts)
def test_short_of_stock_is_never_p0(rules, known):
    assert score(known, CITIES, rules, in_stock=False).lane is not Lane.P0


@given(facts)
def test_known_stock_never_slows_an_order_down(rules, known):
    provisional = score(known, CITIES, rules, in_stock=None)
    final = score(known, CITIES, rules, in_stock=True)
    assert URGENCY[final.lane] >= URGENCY[provisional.lane]


@given(facts)
def test_the_reasons_add_up_to_the_score(rules, known):
    decision = score(known, CITIES, rules, in_stock=True)
    assert sum(int(reason.split()[-1]) for reason in decision.reasons) == decision.score


def test_stock_has_its_own_weight(tree):

    mapping = tree()
    mapping["lanes"]["in_stock"] = 30
    rules = parse_rules(mapping)
    assert score(LaneFacts(), CITIES, rules, in_stock=True).lane is Lane.P1
    assert score(LaneFacts(), CITIES, rules, in_stock=None).lane is Lane.BULK


def test_an_unknown_city_is_nobodys_city(rules):
    assert score(LaneFacts(receiver_city=""), ("",), rules, in_stock=None).score == 0


def test_a_canonical_order_knows_its_lane_facts(order):
    known = lane_facts(order(source=OrderSource.LIVE, member_level=MemberLevel.PLUS))
    assert known == LaneFacts(OrderSource.LIVE, OrderType.NORMAL, MemberLevel.PLUS, "杭州市")
