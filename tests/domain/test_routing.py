import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.holds import HoldCode
from domain.order import Address
from domain.routing import Candidate, Contract, Route, Unroutable, route, wished_courier
from domain.rules import CourierRule

ONE = {"A": 1}
SF = CourierRule("sf", "1", serves_remote=False, memo_names=("顺丰", "sf"))
ZTO = CourierRule("zto", "", serves_remote=False, memo_names=("中通", "zto"))
EMS = CourierRule("ems", "", serves_remote=True, memo_names=("邮政", "ems"))


def address(province, city=""):
    return Address("n", "p", province, city, "d", "", "x")


def contracts_of(names):
    """Contracts by their accounts; a courier's name alone is its account ``main``."""
    accounts = [name if "/" in name else f"{name}/main" for name in names]
    return tuple(Contract(account, account.partition("/")[0]) for account in accounts)


def place(location, province="安徽", city="合肥", stock=5, couriers=("sf",)):
    return Candidate(location, province, city, contracts_of(couriers), {"A": stock})


def test_the_region_preference_comes_first(ruled):
    rules = ruled(SF, preferred_locations={"江苏": ("jiaxing",)})
    candidates = [place("hefei", stock=99), place("nanjing", "江苏", "南京"), place("jiaxing", "浙江", "嘉兴", 1)]
    chosen = route(ONE, address("江苏省", "南京市"), candidates, rules)
    assert chosen == Route(
        "jiaxing", "sf", "sf/main", "1", ("jiaxing: preferred for 江苏", "sf: by order of the rules")
    )


def test_without_a_preference_the_named_region_ships_from_elsewhere(ruled):
    rules = ruled(SF, preferred_locations={"江苏": ("jiaxing",)})
    candidates = [place("hefei", stock=99), place("jiaxing", "浙江", "嘉兴", 1)]
    assert route(ONE, address("湖北省"), candidates, rules).location == "hefei"


def test_preferred_locations_are_tried_in_their_order(ruled):
    rules = ruled(SF, preferred_locations={"江苏": ("second", "first")})
    assert route(ONE, address("江苏"), [place("first"), place("second")], rules).location == "second"


def test_then_same_city_then_same_province_then_most_stock(ruled):
    rules, receiver = ruled(SF), address("浙江省", "杭州市")
    stock, province = place("c-stock", stock=50), place("b-province", "浙江", "宁波", 20)
    city = place("a-city", "浙江", "杭州", 1)
    for candidates, location, why in [
        ([stock, province, city], "a-city", "same city"),
        ([stock, province], "b-province", "same province"),
        ([place("d", stock=49), stock], "c-stock", "most stock"),
        ([place("e", stock=50), stock], "c-stock", "most stock"),
    ]:
        chosen = route(ONE, receiver, candidates, rules)
        assert chosen.location == location
        assert chosen.reasons[0] == f"{location}: {why}"


@pytest.mark.parametrize("receiver", [address("浙江", "杭州"), address("浙江", "温州"), address("湖北")])
def test_among_equals_the_fuller_location_ships(ruled, receiver):
    candidates = [place("a", "浙江", "杭州", 1), place("b", "浙江", "杭州", 2)]
    assert route(ONE, receiver, candidates, ruled(SF)).location == "b"


def test_no_province_is_not_a_province_in_common(ruled):
    candidates = [place("nowhere", "", "杭州", 1), place("big", stock=9)]
    assert route(ONE, address("", "杭州"), candidates, ruled(SF)).location == "big"


def test_a_city_of_the_same_name_elsewhere_is_not_the_same(ruled):
    candidates = [place("fuzhou-fj", "福建", "福州", 1), place("big", stock=9)]
    assert route(ONE, address("江西", "福州"), candidates, ruled(SF)).location == "big"


def test_a_location_that_cannot_fill_is_rejected_aloud(ruled):
    near, far = place("near", "浙江", "杭州", 0), place("far")
    chosen = route(ONE, address("浙江", "杭州"), [near, far], ruled(SF))
    assert chosen.location == "far"
    assert "near: cannot fill the order" in chosen.reasons


@pytest.mark.parametrize(("pieces", "split"), [({"A": 2, "B": 2}, True), ({"A": 2, "B": 3}, False)])
def test_when_no_location_alone_can_fill_a_split_is_asked_for_if_it_helps(ruled, pieces, split):
    candidates = [
        Candidate("one", "", "", contracts_of(["sf"]), {"A": 2}),
        Candidate("two", "", "", contracts_of(["sf"]), {"B": 2}),
    ]
    refused = route(pieces, address("浙江"), candidates, ruled(SF))
    assert refused == Unroutable(HoldCode.STOCK_SHORT_PAID, {"split_needed": split})


def test_no_location_at_all_is_short_too(ruled):
    assert route(ONE, address("浙江"), [], ruled(SF)) == Unroutable(HoldCode.STOCK_SHORT_PAID, {"split_needed": False})


def test_a_standard_courier_never_goes_to_a_remote_province_by_itself(ruled):
    refused = route(ONE, address("新疆维吾尔自治区"), [place("hefei")], ruled(SF))
    assert refused == Unroutable(HoldCode.REMOTE_COURIER, {"province": "新疆", "is_remote": True})


def test_unless_another_courier_serves_it(ruled):
    candidates = [place("hefei", couriers=("sf", "ems"))]
    chosen = route(ONE, address("西藏"), candidates, ruled(SF, EMS))
    assert chosen.courier == "ems"
    assert "hefei: sf does not serve 西藏 at this grade" in chosen.reasons


def test_also_at_a_location_further_down(ruled):
    candidates = [place("hefei", stock=9), place("xian", "陕西", "西安", 1, ("ems",))]
    assert route(ONE, address("西藏"), candidates, ruled(SF, EMS)).location == "xian"


def test_or_a_person_has_allowed_it(ruled):
    waived = frozenset({HoldCode.REMOTE_COURIER})
    assert route(ONE, address("西藏"), [place("hefei")], ruled(SF), waived=waived).courier == "sf"


def test_a_location_where_no_known_courier_picks_up_cannot_ship(ruled):
    refused = route(ONE, address("浙江"), [place("hefei", couriers=("jd",))], ruled(SF))
    assert refused == Unroutable(HoldCode.REMOTE_COURIER, {"province": "浙江", "is_remote": False})


def test_the_province_has_its_first_choice_of_courier(ruled):
    rules = ruled(SF, ZTO, courier_by_province={"浙江": "zto"})
    candidates = [place("hefei", couriers=("sf", "zto"))]
    chosen = route(ONE, address("浙江省"), candidates, rules)
    assert (chosen.courier, chosen.reasons[1]) == ("zto", "zto: first choice for 浙江")
    assert route(ONE, address("江苏省"), candidates, rules).courier == "sf"


def test_the_memo_outranks_the_province(ruled):
    rules = ruled(SF, ZTO, courier_by_province={"浙江": "zto"})
    candidates = [place("hefei", couriers=("sf", "zto"))]
    chosen = route(ONE, address("浙江"), candidates, rules, seller_memo="改为发顺丰")
    assert (chosen.courier, chosen.reasons[1]) == ("sf", "sf: asked for in the seller's memo")


def test_a_memo_does_not_bring_a_courier_where_none_goes(ruled):
    candidates = [place("hefei", couriers=("sf", "ems"))]
    assert route(ONE, address("西藏"), candidates, ruled(SF, EMS), seller_memo="发顺丰").courier == "ems"


def test_a_wish_that_cannot_be_met_is_among_the_reasons(ruled):
    chosen = route(ONE, address("浙江"), [place("hefei")], ruled(SF, ZTO), seller_memo="发中通")
    assert chosen.courier == "sf"
    assert "hefei: zto, asked for in the memo, does not pick up here" in chosen.reasons


@pytest.mark.parametrize(
    ("memo", "courier"),
    [
        ("改为发顺丰", "sf"),
        ("发顺丰", "sf"),
        ("请用 SF 发", "sf"),
        ("改成顺丰", "sf"),
        ("ship via sf please", "sf"),
        ("原来发中通，改为发顺丰", "sf"),
        ("不要发顺丰，发中通", "zto"),
        ("不要发顺丰", None),
        ("别用顺丰", None),
        ("已发顺丰", None),
        ("顺丰", None),
        ("fly via sfo", None),
        ("发圆通", None),
        ("", None),
    ],
)
def test_a_memo_may_name_a_courier(memo, courier):
    assert wished_courier(memo, [SF, ZTO]) == courier


def test_a_courier_without_memo_names_is_never_wished():
    assert wished_courier("发顺丰", [dataclasses.replace(SF, memo_names=())]) is None


provinces = st.sampled_from(["", "浙江", "江苏", "新疆", "上海"])
candidates_any = st.lists(
    st.builds(
        Candidate,
        st.sampled_from(["a", "b", "c", "d"]),
        provinces,
        st.sampled_from(["", "杭州", "上海"]),
        st.lists(st.sampled_from(["sf/a", "sf/b", "zto/a", "ems/a"]), unique=True).map(contracts_of),
        st.dictionaries(st.sampled_from("AB"), st.integers(0, 3)),
    ),
    unique_by=lambda candidate: candidate.location,
)
wants = st.dictionaries(st.sampled_from("AB"), st.integers(1, 3), min_size=1)


@given(wants, provinces, candidates_any, st.sampled_from(["", "发中通"]))
def test_a_route_always_fits_and_the_order_of_candidates_does_not_matter(ruled, pieces, province, found, memo):
    rules = ruled(SF, ZTO, EMS)
    chosen = route(pieces, address(province), found, rules, seller_memo=memo)
    turned = route(pieces, address(province), found[::-1], rules, seller_memo=memo)
    if isinstance(chosen, Unroutable):
        assert turned == chosen
        return
    (site,) = [candidate for candidate in found if candidate.location == chosen.location]
    assert all(site.available.get(sku, 0) >= count for sku, count in pieces.items())
    assert Contract(chosen.account, chosen.courier) in site.contracts
    assert province != "新疆" or chosen.courier == "ems"
    assert (turned.location, turned.account) == (chosen.location, chosen.account)


def test_of_two_contracts_with_a_courier_the_location_s_first_is_taken(ruled):
    chosen = route(ONE, address("浙江"), [place("a", couriers=("sf/south", "sf/main"))], ruled(SF))
    assert (chosen.courier, chosen.account) == ("sf", "sf/south")
    assert chosen.reasons[-1] == "sf/south: by order of the rules"


def test_each_location_ships_by_its_own_contracts(ruled):
    candidates = [place("a", stock=0, couriers=("sf/main",)), place("b", couriers=("sf/south",))]
    chosen = route(ONE, address("浙江"), candidates, ruled(SF))
    assert (chosen.location, chosen.account) == ("b", "sf/south")


@pytest.mark.parametrize(("province", "account"), [("广东", "sf/south"), ("浙江", "sf/main")])
def test_a_rule_chooses_a_contract_for_a_province(ruled, province, account):
    rules = ruled(SF, courier_by_province={"广东": "sf/south"})
    chosen = route(ONE, address(province), [place("a", couriers=("sf/main", "sf/south"))], rules)
    assert chosen.account == account


def test_a_rule_for_one_contract_is_for_no_other(ruled):
    cold = dataclasses.replace(SF, service="cold", account="sf/cold")
    candidates = [place("a", couriers=("sf/main", "sf/cold"))]
    chosen = route(ONE, address("浙江"), candidates, ruled(cold, SF))
    assert (chosen.account, chosen.service) == ("sf/cold", "cold")
    chosen = route(ONE, address("浙江"), [place("a", couriers=("sf/main",))], ruled(cold, SF))
    assert (chosen.account, chosen.service) == ("sf/main", "1")


def test_a_contract_that_serves_remote_provinces_goes_there_and_the_other_is_rejected_by_its_name(ruled):
    far = dataclasses.replace(SF, serves_remote=True, account="sf/far")
    near = dataclasses.replace(SF, account="sf/main")
    chosen = route(ONE, address("西藏"), [place("a", couriers=("sf/main", "sf/far"))], ruled(near, far))
    assert chosen.account == "sf/far"
    assert "a: sf/main does not serve 西藏 at this grade" in chosen.reasons
