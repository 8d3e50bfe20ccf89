from domain.holds import HOLDS, Finding, HoldCode, waybill_facts

OWNERS = {"service", "finance", "purchasing", "stock", "logistics", "catalogue", "engineering"}
# The most urgent: money or a parcel may leave that nobody wants any more.
WITHIN_TWO_HOURS = {
    HoldCode.REFUND_REQUESTED,
    HoldCode.REFUND_UNKNOWN,
    HoldCode.BUYER_CHANGED,
    HoldCode.WAYBILL_ERROR,
    HoldCode.WAYBILL_CONTRADICTS,
    HoldCode.DISPATCH_ERROR,
    HoldCode.STOPPING,
    HoldCode.WRITEBACK_REFUSED,
    HoldCode.WAITING_ON_ACCOUNT,
    HoldCode.DEAD_LETTER,
}


def test_every_code_has_a_rule_and_every_rule_a_code():
    assert set(HOLDS) == set(HoldCode)


def test_each_owner_of_holds_is_a_known_desk_and_has_holds():
    assert {rule.owner for rule in HOLDS.values()} == OWNERS


def test_what_is_most_urgent_is_due_within_two_hours_and_the_rest_within_three_days():
    assert {code for code, rule in HOLDS.items() if rule.due_h <= 2} == WITHIN_TWO_HOURS
    assert all(0 < rule.due_h <= 72 for rule in HOLDS.values())


def test_no_two_codes_mean_the_same():
    meanings = [rule.meaning for rule in HOLDS.values()]
    assert all(meaning.strip() for meaning in meanings)
    assert len(set(meanings)) == len(meanings)


def test_a_finding_without_facts_shares_none_with_another():
    one, other = Finding(HoldCode.PLATFORM_HOLD), Finding(HoldCode.PLATFORM_HOLD)
    one.facts["field"] = "x"
    assert other.facts == {}


def test_a_hold_about_a_waybill_names_courier_and_number():
    assert waybill_facts("sf", "SF1") == {"courier": "sf", "waybill": "SF1"}
