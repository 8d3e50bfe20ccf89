import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.holds import HoldCode
from domain.money import Money
from domain.normalize import initial_state
from domain.order import FulfilledBy, OrderType, Pii, PlatformState
from domain.review import ReviewFacts, review
from domain.rules import parse_rules
from domain.stock import Reservation
from domain.waivers import Waiver

SAFE = ReviewFacts(Reservation.RESERVED)


@pytest.fixture
def codes(rules):
    def look(order, facts=SAFE):
        return [finding.code.value for finding in review(order, facts, rules).holds]

    return look


@pytest.mark.parametrize("reservation", [Reservation.RESERVED, Reservation.ALLOCATED])
def test_a_clean_order_is_approved(order, rules, reservation):
    decision = review(order(), ReviewFacts(reservation), rules)
    assert decision.approved
    assert decision.holds == ()


@pytest.mark.parametrize(
    ("receiver", "fields"),
    [
        ({"name": ""}, "name"),
        ({"phone": ""}, "phone"),
        ({"detail": ""}, "detail"),
        ({"province": ""}, "province"),
        ({"city": "", "district": ""}, "city"),
        ({"name": "", "phone": ""}, "name,phone"),
        ({"pii": Pii.ABSENT, "name": ""}, "name"),
        ({"province": "海外"}, "country"),
    ],
)
def test_missing_parts_of_an_address_are_named(order, rules, receiver, fields):
    (finding,) = review(order(receiver=receiver), SAFE, rules).holds
    assert finding.code is HoldCode.ADDRESS_MISSING
    assert finding.facts == {"fields": fields}


@pytest.mark.parametrize(
    "receiver",
    [
        {"city": ""},
        {"district": ""},
        {"pii": Pii.MASKED, "name": "林**", "phone": "138****0001", "detail": "文**"},
        {"pii": Pii.MASKED, "detail": "**"},
        {"pii": Pii.CIPHER, "detail": "x"},
        {"pii": Pii.ABSENT, "merge_token": "oaid", "name": "", "phone": "", "detail": ""},
    ],
)
def test_a_short_masked_or_token_address_is_complete(order, codes, receiver):
    assert codes(order(receiver=receiver)) == []


@pytest.mark.parametrize(
    ("receiver", "field", "rule"),
    [
        ({"detail": "地址待定"}, "detail", "review.vague_words[0]"),
        ({"detail": "To Be Confirmed"}, "detail", "review.vague_words[5]"),
        ({"town": "未定"}, "town", "review.vague_words[1]"),
        ({"pii": Pii.MASKED, "detail": "待定**"}, "detail", "review.vague_words[0]"),
        ({"detail": "路"}, "detail", "review.detail_min_chars"),
    ],
)
def test_a_vague_address_names_the_rule(order, rules, receiver, field, rule):
    (finding,) = review(order(receiver=receiver), SAFE, rules).holds
    assert (finding.code, finding.facts, finding.rule) == (HoldCode.ADDRESS_VAGUE, {"fields": field}, rule)


@pytest.mark.parametrize("paid", [0, 9599, 9601])
def test_the_paid_sum_must_be_the_payable_sum(order, rules, paid):
    (finding,) = review(order(totals={"paid": paid}), SAFE, rules).holds
    assert finding.code is HoldCode.PAYMENT_UNCONFIRMED
    assert finding.facts["payable"] == "96.00 CNY"
    assert finding.facts["payment_time"] is True


def test_a_payment_without_a_record_is_unconfirmed(order, codes):
    assert codes(order(paid_at=None)) == ["payment_unconfirmed"]


def test_a_free_order_needs_no_payment(order, codes, line):
    free = order(
        paid_at=None,
        totals={"goods": 10000, "discount": 10000, "freight": 0, "payable": 0, "paid": 0},
        lines=(line(paid=Money(0, "CNY")),),
    )
    assert codes(free) == []


def test_cash_on_delivery_waits_for_a_courier_who_collects_it(order, rules):
    (finding,) = review(order(order_type=OrderType.COD, paid_at=None, totals={"paid": 0}), SAFE, rules).holds
    assert finding.code is HoldCode.CASH_ON_DELIVERY
    assert finding.facts == {"paid": "0.00 CNY", "payable": "96.00 CNY"}


def test_nothing_is_to_be_collected_of_what_is_paid_or_not_ours(order, line, codes):
    assert codes(order(order_type=OrderType.COD)) == []
    theirs = (line(fulfilled_by=FulfilledBy.COURIER),)
    assert codes(order(order_type=OrderType.COD, paid_at=None, totals={"paid": 0}, lines=theirs)) == []


def test_lines_of_unknown_fulfilment_hold_by_name(order, line, rules):
    lines = (
        line(paid=Money(4000, "CNY")),
        line(line_id="l2", paid=Money(5000, "CNY"), fulfilled_by=FulfilledBy.UNKNOWN),
        line(line_id="l3", paid=Money(0, "CNY"), fulfilled_by=FulfilledBy.UNKNOWN, refunded=True),
        line(line_id="l4", paid=Money(0, "CNY"), fulfilled_by=FulfilledBy.PLATFORM),
    )
    (finding,) = review(order(lines=lines), SAFE, rules).holds
    assert (finding.code, finding.facts) == (HoldCode.FULFILLER_UNKNOWN, {"lines": "l2"})


def test_an_open_balance_is_one_hold_not_two(order, codes):
    assert codes(order(balance_open=True, paid_at=None, totals={"paid": 1000})) == ["presale_balance_open"]


@pytest.fixture
def two_lines(order, line):
    """An order of two lines; keywords replace fields of the second."""

    def two_lines(**fields):
        second = {"line_id": "l2", "paid": Money(5000, "CNY")} | fields
        return order(lines=(line(paid=Money(4000, "CNY")), line(**second)))

    return two_lines


def test_a_refund_that_is_asked_on_any_line_holds_the_order(two_lines, rules):
    (finding,) = review(two_lines(refund_open=True), SAFE, rules).holds
    assert (finding.code, finding.facts) == (HoldCode.REFUND_REQUESTED, {"refunds": "l2"})


def test_a_refund_that_was_paid_holds_only_what_is_labelled_already(two_lines, rules):
    paid = two_lines(refunded=True)
    assert review(paid, SAFE, rules).approved
    (finding,) = review(paid, dataclasses.replace(SAFE, excess=frozenset({"l2"})), rules).holds
    assert (finding.code, finding.facts) == (HoldCode.REFUND_REQUESTED, {"refunds": "l2"})


def test_a_labelled_line_that_is_somebody_elses_now_is_held(two_lines, rules):
    theirs = two_lines(fulfilled_by=FulfilledBy.PLATFORM)
    assert review(theirs, SAFE, rules).approved
    (finding,) = review(theirs, dataclasses.replace(SAFE, excess=frozenset({"l2"})), rules).holds
    assert (finding.code, finding.facts) == (HoldCode.FULFILLER_UNKNOWN, {"lines": "l2"})


@pytest.mark.parametrize("fields", [{"refund_unknown": True}, {"is_missing": True}])
def test_what_became_of_a_line_may_be_unknown(two_lines, codes, fields):
    assert "refund_unknown" in codes(two_lines(**fields))
    assert "refund_unknown" not in codes(two_lines(refunded=True, **fields))


@pytest.mark.parametrize("payable", [9600, 4600])
def test_one_that_was_paid_takes_its_line_out_and_holds_nothing(order, line, codes, payable):
    lines = (line(paid=Money(4000, "CNY")), line(line_id="l2", sku="", paid=Money(5000, "CNY"), refunded=True))
    sums = {"goods": payable - 600, "discount": 0, "payable": payable, "paid": payable}
    assert codes(order(lines=lines, totals=sums)) == []


@pytest.mark.parametrize("change", [{"platform_hold": True}, {"state": PlatformState.HOLD}])
def test_the_platform_may_forbid_shipping(order, codes, change):
    assert codes(order(**change)) == ["platform_hold"]


@pytest.mark.parametrize("state", [PlatformState.PART_SHIPPED, PlatformState.SHIPPED, PlatformState.DONE])
def test_what_left_without_us_never_ships_again(order, rules, state):
    (finding,) = review(order(state=state), SAFE, rules).holds
    facts = {"platform_state": state.value, "lines": "some_line"}
    assert (finding.code, finding.facts) == (HoldCode.SHIPPED_ELSEWHERE, facts)


def test_a_shipment_of_somebody_else_names_its_lines(two_lines, rules):
    part = dataclasses.replace(two_lines(shipped=2, waybill="SF1"), state=PlatformState.PART_SHIPPED)
    (finding,) = review(part, SAFE, rules).holds
    facts = {"platform_state": "part_shipped", "lines": "l2"}
    assert (finding.code, finding.facts) == (HoldCode.SHIPPED_ELSEWHERE, facts)
    for own, is_ours in (({"l2": 2}, True), ({"l2": 1}, False), ({"l1": 2}, False)):
        assert review(part, dataclasses.replace(SAFE, own=own), rules).approved is is_ours
    theirs = two_lines(shipped=2, waybill="SF1", fulfilled_by=FulfilledBy.PLATFORM)
    assert review(theirs, SAFE, rules).approved, "what others ship is theirs"


@pytest.mark.parametrize("state", [PlatformState.PART_SHIPPED, PlatformState.SHIPPED])
@pytest.mark.parametrize("shipped", [0, 2])
def test_review_upholds_what_intake_held(order, line, rules, state, shipped):
    met = order(state=state, lines=(line(shipped=shipped),))
    assert initial_state(met).holds == review(met, SAFE, rules).holds


@pytest.fixture
def first_left(line):
    """The clean order's line in two, the first of which has left, with other fields."""

    def build(first=None, second=None):
        one = {"paid": Money(4000, "CNY"), "shipped": 2, **(first or {})}
        other = {"line_id": "l2", "paid": Money(5000, "CNY"), **(second or {})}
        return line(**one), line(**other)

    return build


def test_the_lines_that_left_without_us_are_named(order, first_left, rules):
    met = order(state=PlatformState.PART_SHIPPED, lines=first_left())
    (finding,) = review(met, SAFE, rules).holds
    assert finding.facts == {"platform_state": "part_shipped", "lines": "l1"}
    assert initial_state(met).holds == (finding,)


def test_a_line_that_left_is_named_even_if_the_order_says_nothing_of_it(order, first_left, codes):
    assert codes(order(lines=first_left())) == ["shipped_elsewhere"]


def test_what_left_under_our_own_number_is_no_news(order, first_left, rules):
    met = order(state=PlatformState.PART_SHIPPED, lines=first_left())
    assert review(met, dataclasses.replace(SAFE, own={"l1": 2}), rules).approved
    (finding,) = review(met, dataclasses.replace(SAFE, own={"l1": 1}), rules).holds
    assert finding.facts["lines"] == "l1"


def test_what_others_had_to_ship_is_no_news_either(order, first_left, codes):
    theirs = first_left({"fulfilled_by": FulfilledBy.PLATFORM})
    assert codes(order(state=PlatformState.PART_SHIPPED, lines=theirs)) == []
    assert codes(order(state=PlatformState.SHIPPED, lines=theirs)) == ["shipped_elsewhere"], "ours has left as well"


def test_stock_is_asked_for_what_is_ours_and_wanted(order, first_left, rules):
    gone = [{"fulfilled_by": FulfilledBy.NOBODY}, {"refunded": True}]
    for change in gone:
        unnamed = order(lines=first_left({"sku": "", "shipped": 0, **change}))
        assert review(unnamed, SAFE, rules).approved
    left = order(lines=first_left({"sku": ""}))
    facts = dataclasses.replace(SAFE, own={"l1": 2})
    assert review(left, facts, rules).approved
    nothing = order(lines=first_left({"refunded": True, "shipped": 0}, {"refunded": True}))
    assert review(nothing, ReviewFacts(Reservation.NONE), rules).approved


def test_sums_that_do_not_add_up_hold(order, codes):
    assert codes(order(totals={"goods": 1})) == ["amount_mismatch"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"buyer_memo": "再不发我投诉"}, "buyer_memo"),
        ({"seller_memo": "先别发"}, "seller_memo"),
        ({"receiver": {"name": "LAWSUIT"}}, "name"),
        ({"receiver": {"detail": "媒体曝光路 1 号"}}, "detail"),
    ],
)
def test_a_listed_word_holds_and_is_not_repeated(order, rules, change, field):
    (finding,) = review(order(**change), SAFE, rules).holds
    assert finding.code is HoldCode.SENSITIVE_WORD
    assert finding.facts == {"fields": field}
    assert finding.rule.startswith("review.sensitive_words[")


@pytest.mark.parametrize(("payable", "held"), [(300000, []), (300001, ["approval_needed"])])
def test_an_approval_is_needed_above_the_limit_only(order, line, tree, payable, held):
    mapping = tree()
    mapping["review"]["approval_above"]["CNY"] = "3000.00"
    large = order(
        totals={"goods": payable, "discount": 0, "freight": 0, "payable": payable, "paid": payable},
        lines=(line(paid=Money(payable, "CNY")),),
    )
    found = review(large, SAFE, parse_rules(mapping)).holds
    assert [finding.code.value for finding in found] == held


def test_no_limit_means_no_approval(order, line, codes):
    sums = {"goods": 10**9, "discount": 0, "freight": 0, "payable": 10**9, "paid": 10**9}
    assert codes(order(totals=sums, lines=(line(paid=Money(10**9, "CNY")),))) == []


@pytest.mark.parametrize(
    ("reservation", "code"),
    [
        (Reservation.SHORT, "stock_short_paid"),
        (Reservation.NONE, "stock_short_paid"),
        (Reservation.RELEASED, "stock_short_paid"),
        (Reservation.UNMAPPED, "sku_unmapped"),
    ],
)
def test_nothing_ships_without_its_stock(order, rules, reservation, code):
    (finding,) = review(order(), ReviewFacts(reservation), rules).holds
    assert finding.code.value == code


def test_a_line_without_a_sku_is_unmapped_whatever_was_reserved(order, line, rules):
    (finding,) = review(order(lines=(line(sku=""),)), SAFE, rules).holds
    assert (finding.code, finding.facts) == (HoldCode.SKU_UNMAPPED, {"lines": "l1"})


def test_all_reasons_are_found_at_once(order, codes):
    bad = order(receiver={"phone": "", "detail": "待定"}, platform_hold=True, totals={"paid": 1})
    assert codes(bad, ReviewFacts(Reservation.SHORT)) == [
        "address_missing",
        "address_vague",
        "payment_unconfirmed",
        "platform_hold",
        "stock_short_paid",
    ]


def test_what_a_person_released_is_not_found_again(order, rules):
    bad = order(buyer_memo="投诉", platform_hold=True)
    waivers = (Waiver(1, HoldCode.SENSITIVE_WORD),)
    once = review(bad, dataclasses.replace(SAFE, waivers=waivers), rules)
    assert [finding.code for finding in once.holds] == [HoldCode.PLATFORM_HOLD]
    assert not once.approved
    assert review(bad, dataclasses.replace(SAFE, waivers=(*waivers, Waiver(2, HoldCode.PLATFORM_HOLD))), rules).approved


PRIVATE = st.text(st.sampled_from("隐私投诉待定abc"), min_size=4, max_size=8)


@given(st.fixed_dictionaries({"name": PRIVATE, "phone": PRIVATE, "detail": PRIVATE}), PRIVATE)
def test_findings_carry_no_personal_data_and_each_code_once(order, rules, receiver, memo):
    totals = {"paid": 1, "goods": 1}
    bad = order(receiver=receiver, buyer_memo=memo, seller_memo=memo, paid_at=None, totals=totals)
    holds = review(bad, ReviewFacts(Reservation.SHORT), rules).holds
    found = [finding.code for finding in holds]
    assert len(found) == len(set(found))
    shown = "".join(map(repr, holds))
    assert not any(private in shown for private in (*receiver.values(), memo))
