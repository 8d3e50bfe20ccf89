"""Every kind of case has an owner and a due time, and one id for each parcel."""

from domain.cases import CASES, CaseKind, case_id_of


def test_every_kind_has_an_owner_and_time():
    assert set(CASES) == set(CaseKind)
    assert all(rule.owner and rule.due_h > 0 and rule.meaning for rule in CASES.values())


def test_a_parcel_has_one_case_of_a_kind():
    assert case_id_of(CaseKind.LOST, "AB-1-1") == case_id_of(CaseKind.LOST, "AB-1-1")
    ids = {case_id_of(kind, reference) for kind in CaseKind for reference in ("AB-1-1", "AB-1-2")}
    assert len(ids) == 2 * len(CaseKind)
