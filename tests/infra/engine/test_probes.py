"""Who tries an account that was sick, and who pays for an error that may be the account's."""

import pytest

from domain.errors import Malformed, Misconfigured, UnknownOutcome
from domain.gates import FaultKind, FaultRecord, mark
from domain.outcomes import Done
from infra.accounts.gates import Gates
from infra.accounts.pauses import Pauses
from infra.accounts.rules import GateRules
from infra.accounts.shared_breaker import SharedGates, connect_gates
from infra.engine.claims import claim
from infra.engine.gated_runner import GatedRunner
from infra.engine.results import Failed, Finished
from infra.process.clock import SystemClock
from infra.queue.bells import BellKey

ACCOUNT = "sf/main"
KEY = BellKey("label", "bulk", ACCOUNT)


def due(harness, rows):
    """Due work: (subject, lane, minutes it has been due, whether it failed before)."""
    for subject_id, lane, due_min, has_failed in rows:
        harness.rows(
            """INSERT INTO work (step, subject_id, lane, account, due_at, causes)
               VALUES ('label', %s, %s, 'sf/main', now() - make_interval(mins => %s),
                       CASE WHEN %s THEN '[{"code": "x"}]'::jsonb ELSE '[]'::jsonb END)""",
            *(subject_id, lane, due_min, has_failed),
        )


def claimed(harness, limit, *, is_probe=True):
    with harness.db.transaction() as tx:
        return claim(tx, KEY, limit, {}, is_probe=is_probe)


WAITING = [(1, "bulk", 90, True), (2, "bulk", 5, False), (3, "p1", 3, False), (4, "p0", 50, True), (5, "p0", 2, False)]


def test_a_probe_takes_the_highest_lane_of_what_never_failed(harness):
    due(harness, WAITING)
    assert claimed(harness, 1) == [5]
    assert claimed(harness, 4) == [5, 3, 2, 4]


def test_control_any_other_claim_takes_the_oldest_of_its_lane(harness):
    due(harness, WAITING)
    assert claimed(harness, 1, is_probe=False) == [1]


def test_a_probe_takes_what_failed_where_nothing_else_is_due(harness):
    due(harness, [(1, "bulk", 90, True), (4, "p0", 50, True)])
    assert claimed(harness, 1) == [4]


def test_two_probes_take_two_subjects(harness):
    due(harness, WAITING)
    with harness.db.transaction() as tx:
        assert claim(tx, KEY, 1, {}, is_probe=True) == [5]
        assert claimed(harness, 1) == [3]


@pytest.fixture
def gates(harness, redis, redis_url):
    client = connect_gates(redis_url.reveal())
    clock = SystemClock()
    pauses = Pauses(harness.db, clock, probe_s=60.0)
    yield Gates({ACCOUNT: GateRules()}, SharedGates(client), pauses, harness.bells, clock, batches_max=3, share=1.0)
    client.close()


@pytest.mark.parametrize(("has_healthy", "left"), [(True, []), (False, [(ACCOUNT,)])])
def test_a_paused_account_is_reopened_by_a_healthy_subject_though_the_poison_is_older(
    harness, toy_call, gates, has_healthy, left
):
    """The other way round, with the poison alone, the account stays shut."""
    poison, *healthy = [harness.package() for _ in range(4 if has_healthy else 1)]
    harness.due("label", [poison], account=ACCOUNT, after_s=-60.0)
    harness.rows("""UPDATE work SET causes = '[{"code": "http_403"}]'""")
    harness.due("label", healthy, account=ACCOUNT)
    harness.rows("""INSERT INTO gate (kind, name, reason, shut_by, probe_at)
                  VALUES ('account', %s, 'http_403', 'engine', now())""", ACCOUNT)  # fmt: skip
    called = []

    async def answer(one):
        subject_id = one.ref.subject_id

        async def make():
            called.append(subject_id)
            if subject_id == poison:
                raise Misconfigured("http_403")
            return "yes"

        return await gates.call(ACCOUNT, make, f"R{subject_id}")

    step = toy_call(answer, lambda one, ended: Failed(one.ref, ended) if isinstance(ended, Exception) else done(one))
    GatedRunner(harness.remote(step), gates).run(KEY)
    assert called == [healthy[0] if has_healthy else poison]
    assert harness.rows("SELECT name FROM gate") == left


def done(one):
    return Finished(one.ref, Done())


def accusing(error, *, is_alone=False):
    mark(error, ACCOUNT, FaultKind.CREDENTIALS if isinstance(error, Misconfigured) else FaultKind.CONTENT, "R1",
         FaultRecord(is_alone, 1))  # fmt: skip
    return error


@pytest.fixture
def ends_with(harness, toy_call):
    """Run label for a package, now, with a call that ends with an error."""

    def run(package, error):
        async def answer(_one):
            raise error

        step = toy_call(answer, lambda one, raised: Failed(one.ref, raised))
        if package in harness.work():
            harness.rows("UPDATE work SET due_at = now(), gate = NULL, gated_at = NULL")
        else:
            harness.due("label", [package], account=ACCOUNT)
        harness.remote(step).run(KEY)

    return run


def spent(harness):
    return harness.rows("SELECT account, charge, step, attempts FROM spent_attempt")


@pytest.mark.parametrize("error", [Misconfigured("http_403"), Malformed("not_json")])
def test_an_accusation_spends_an_attempt_that_is_written_down(harness, ends_with, error):
    package = harness.package()
    ends_with(package, accusing(error))
    ends_with(package, accusing(error))
    charge = "credentials" if isinstance(error, Misconfigured) else "content"
    assert spent(harness) == [(ACCOUNT, charge, "label", 2)]
    assert harness.rows("SELECT attempts, gate FROM work") == [(2, None)]


def test_an_accusation_behind_another_error_counts_too(harness, ends_with):
    told = UnknownOutcome("told_not_read_back")
    told.__cause__ = accusing(Misconfigured("http_403"))
    ends_with(harness.package(), told)
    assert spent(harness) == [(ACCOUNT, "credentials", "label", 1)]


def test_a_fault_that_others_do_not_share_becomes_its_order_s_hold(harness, ends_with):
    package = harness.package()
    for _ in range(harness.limits.bug_attempts_max):
        ends_with(package, accusing(Misconfigured("http_403"), is_alone=True))
    assert harness.rows("SELECT code, facts ->> 'code' FROM hold") == [("waybill_error", "http_403")]
    assert harness.work() == {}
    assert spent(harness) == []


def accuse(harness, *subjects, charge="credentials"):
    for subject in subjects:
        harness.rows("INSERT INTO accusation (account, charge, subject, code) VALUES (%s, %s, %s, 'x')",
                   *(ACCOUNT, charge, subject))  # fmt: skip


def test_who_accused_first_and_is_judged_after_the_proof_spends_nothing(harness, ends_with):
    accuse(harness, "R1", "R2", "R3")
    ends_with(harness.package(), accusing(Misconfigured("http_401")))
    assert harness.rows("SELECT attempts, gate FROM work") == [(0, ACCOUNT)]
    assert spent(harness) == []


def test_content_that_nobody_can_read_spends_nothing_either(harness, ends_with):
    accuse(harness, "R1", "R2", "R3", charge="content")
    ends_with(harness.package(), accusing(Malformed("not_json")))
    assert harness.rows("SELECT attempts, gate, due_at > now() FROM work") == [(0, None, True)]


def test_control_two_accusers_prove_nothing(harness, ends_with):
    accuse(harness, "R1", "R2")
    ends_with(harness.package(), accusing(Misconfigured("http_401")))
    assert harness.rows("SELECT attempts, gate FROM work") == [(1, None)]
