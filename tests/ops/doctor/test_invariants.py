from infra.tables.invariants import SENTENCES
from ops.doctor import invariants
from ops.doctor.check import Level


def test_a_house_in_order(database) -> None:
    with database.connection() as session:
        check = invariants.check(session)
    assert check.level is Level.OK
    assert check.message == f"all {len(SENTENCES)} hold"


def test_breaches_are_named_with_what_to_do(database) -> None:
    with database.connection() as session:
        session.execute("INSERT INTO work (step, subject_id, lane) VALUES ('label', 1, 'p0'), ('label', 2, 'p0')")
        session.execute("INSERT INTO stock_pool (sku, on_hand, reserved) VALUES ('TEE', 5, 1)")
        check = invariants.check(session)
    assert check.level is Level.FAIL
    assert "pool_counts: SKU TEE counts 1 reserved" in check.message
    assert "work_has_subject: label of 1 and 1 more" in check.message
    assert "docs/how-to/runbook.md" in check.advice
