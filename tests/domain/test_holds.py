from domain.holds import HOLDS, Finding, HoldCode


def test_every_code_has_an_owner_a_clock_and_a_meaning():
    assert set(HOLDS) == set(HoldCode)
    assert all(rule.owner and rule.due_h > 0 and rule.meaning for rule in HOLDS.values())


def test_a_finding_needs_only_its_code():
    assert Finding(HoldCode.PLATFORM_HOLD) == Finding(HoldCode.PLATFORM_HOLD, {}, "")
