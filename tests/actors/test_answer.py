"""The platform hears the truth about the goods of a case: before its deadline, once, and never more than is proven."""

from dataclasses import dataclass
from typing import Any

import pytest

from adapters.after_sale import StopAnswer
from domain.after_sale import CaseStage
from domain.cases import CaseKind
from domain.errors import Conflict, Malformed, Misconfigured, Refused, Throttled, Transient, UnknownOutcome
from infra.tables.after_sale import store_platform_cases
from tests.actors.hand_after_sale import HandAfterSale


@dataclass
class Case:
    """A refund of a booked order, whose stop is asked for."""

    shop: Any
    desk: HandAfterSale

    def ends(self, status: str = "stopped", outside: str = "") -> None:
        """The stop ends like this. `outside`: what is left alive where it is stopped."""
        rows = self.shop.rows
        rows("UPDATE stop SET status = %s, ended_at = now()", status)
        if status != "stopped":
            rows("UPDATE package SET handed_over_at = now()")
            return
        rows(
            """UPDATE fulfillment_order
               SET state = 'closed', closed_reason = 'stopped', resume_state = NULL, finished_at = now()"""
        )
        rows("UPDATE package SET cancelled_at = now()")
        if outside != "waybill":
            rows("UPDATE shipment SET status = 'voided', voided_at = now()")
        if outside == "document":
            rows(
                """INSERT INTO placement (fulfillment_order_id, location, generation, reference, status, placed_at)
                   SELECT id, 'east', 1, 'x', 'placed', now() FROM fulfillment_order"""
            )

    def tell(self) -> None:
        """One round of answers, after all that they wait for."""
        self.shop.fall_due()
        self.shop.rows(
            "UPDATE order_case SET answer_deadline = now() - interval '1 s' WHERE answer_deadline IS NOT NULL"
        )
        self.shop.run("answer")

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(one.answer, one.code) for one in self.desk.told]

    @property
    def answer(self) -> list[tuple[str, str]]:
        return self.shop.rows("SELECT answer, answer_status FROM order_case")


@pytest.fixture
def asked(merchant, trade):
    desk = HandAfterSale()
    merchant.platform.after_sale = desk
    merchant.stock("east", **{"TEE-1": 100})
    merchant.deliver(trade(tid="1001"))
    merchant.flow(until="label")
    case = desk.show("1001")
    with merchant.db.transaction() as tx:
        [id_] = store_platform_cases(tx, "taobao/s1", [case])
        tx.execute("INSERT INTO work (step, subject_id, lane) VALUES ('apply_case', %s, 'p1')", [id_])
    merchant.run("apply_case")
    return Case(merchant, desk)


def test_stopped_is_told_once_the_stop_is_confirmed(asked):
    asked.tell()
    assert asked.told == []
    asked.ends()
    asked.tell()
    [report] = asked.desk.told
    assert (report.answer, report.code, report.case_id, report.platform_order_id, report.line_ids) == (
        StopAnswer.STOPPED,
        "stopped",
        "91001",
        "1001",
        ("1001",),
    )
    assert asked.answer == [("stopped", "told")]
    assert asked.shop.due("answer") == []


@pytest.mark.parametrize("outside", ["waybill", "document"])
def test_what_may_still_leave_is_never_told_as_stopped(asked, outside):
    """The control is the test before: the same end with nothing alive outside is told."""
    asked.ends(outside=outside)
    asked.tell()
    assert asked.told == []


@pytest.mark.parametrize("is_document", [False, True])
def test_what_left_after_its_stop_was_confirmed_is_never_told_as_stopped(asked, is_document):
    asked.ends()
    asked.shop.rows(
        """INSERT INTO order_case (shop, case_id, kind, order_id, package_id, owner, due_at)
           SELECT 'taobao/s1', 'm', 'moved_though_stopped', o.id, CASE WHEN NOT %s THEN p.id END, 'logistics', now()
           FROM orders AS o CROSS JOIN package AS p""",
        is_document,
    )
    asked.tell()
    assert [answer for answer, _ in asked.told] == ["not_stopped"]


@pytest.mark.parametrize("status", ["too_late", "coming_back"])
def test_a_stop_that_failed_is_told_with_its_end(asked, status):
    asked.ends(status)
    asked.tell()
    assert asked.told == [("not_stopped", status)]
    assert asked.answer == [("not_stopped", "told")]
    assert asked.shop.one("SELECT closed_at FROM order_case") is None, "whether to pay is a person's decision"


@pytest.mark.parametrize(("left_s", "is_told"), [(3_600, False), (60, True)])
def test_silence_ends_before_the_platform_decides(asked, left_s, is_told):
    asked.shop.rows("UPDATE order_case SET decide_by = now() + make_interval(secs => %s)", left_s)
    asked.tell()
    assert asked.told == ([("not_stopped", "not_yet")] if is_told else [])
    if not is_told:
        due_s = asked.shop.one("SELECT extract(epoch FROM due_at - now())::float8 FROM work WHERE step = 'answer'")
        assert 0 < due_s <= 300


def test_without_a_known_deadline_nothing_is_told_before_the_stop_ends(asked):
    for _ in range(3):
        asked.tell()
    assert asked.told == []
    assert len(asked.shop.due("answer")) == 1


def test_an_unclear_stopped_is_never_told_twice(asked):
    asked.desk.pays = False
    asked.desk.errors["after_answer"] = [UnknownOutcome("lost")]
    asked.ends()
    for _ in range(5):
        asked.tell()
    assert asked.told == [("stopped", "stopped")]
    assert asked.answer == [("stopped", "asked")]
    asked.desk.show("1001", stage=CaseStage.REFUNDED)
    asked.tell()
    assert asked.told == [("stopped", "stopped")]
    assert asked.answer == [("stopped", "told")]


def test_an_unclear_stopped_that_never_shows_ends_with_its_owner(asked):
    asked.desk.errors["answer"] = [UnknownOutcome("lost")]
    asked.ends()
    asked.tell()
    asked.shop.rows("UPDATE order_case SET decide_by = now() - interval '1 s'")
    asked.tell()
    assert asked.told == []
    assert asked.answer == [("stopped", "unknown")]
    assert (asked.shop.due("answer"), asked.shop.holds(), asked.shop.letters()) == ([], ["stopping"], [])
    assert asked.shop.one("SELECT closed_at FROM order_case") is None


def test_an_unclear_not_stopped_is_told_again(asked):
    asked.desk.errors["after_answer"] = [UnknownOutcome("lost")]
    asked.ends("too_late")
    asked.tell()
    asked.tell()
    assert asked.told == [("not_stopped", "too_late")] * 2
    assert asked.answer == [("not_stopped", "told")]


@pytest.mark.parametrize("error", [Transient("busy"), Throttled("slow", after_s=0.0)])
def test_a_call_without_effect_is_made_again(asked, error):
    asked.desk.errors["answer"] = [error]
    asked.ends()
    asked.tell()
    assert asked.answer == [("stopped", "")]
    asked.tell()
    assert asked.told == [("stopped", "stopped")]


@pytest.mark.parametrize("error", [Refused("answer_rejected"), Conflict("x")])
def test_a_refused_answer_stays_with_the_owner_of_the_case_and_holds_nothing(asked, error):
    asked.desk.errors["answer"] = [error]
    asked.ends("too_late")
    asked.tell()
    asked.tell()
    assert asked.told == []
    assert asked.answer == [("not_stopped", "refused")]
    assert asked.shop.rows("SELECT owner, closed_at FROM order_case") == [("service", None)]
    assert asked.shop.letters() == []


def test_an_answer_that_cannot_be_read_is_unclear(asked):
    asked.desk.errors["after_answer"] = [Malformed("html")]
    asked.desk.pays = False
    asked.ends()
    asked.tell()
    asked.tell()
    assert asked.told == [("stopped", "stopped")]


@pytest.mark.parametrize("stage", [CaseStage.REFUNDED, CaseStage.WITHDRAWN, CaseStage.REJECTED])
def test_a_case_that_is_over_meanwhile_is_told_nothing(asked, stage):
    asked.ends()
    asked.desk.show("1001", stage=stage)
    asked.tell()
    assert asked.told == []
    assert asked.answer == [("stopped", "already")]


@pytest.mark.parametrize(
    "changed", [{"kind": CaseKind.COMPENSATION}, {"stage": CaseStage.UNKNOWN}, {"line_ids": ("7",)}, {"line_ids": ()}]
)
def test_a_case_about_something_else_now_is_read_again_before_anything_is_told(asked, changed):
    asked.ends()
    asked.desk.show("1001", **changed)
    asked.tell()
    assert asked.told == []
    assert asked.answer == [("stopped", "")]
    assert len(asked.shop.due("answer")) == 1


def test_a_shop_that_does_not_answer_is_left_alone(asked):
    asked.desk.answers_stops = False
    asked.ends()
    asked.tell()
    assert (asked.told, asked.shop.due("answer")) == ([], [])


def test_a_second_worker_waits_for_the_call_of_the_first(asked):
    asked.ends()
    asked.shop.fall_due()
    asked.shop.rows(
        """UPDATE order_case SET answer = 'stopped', answer_status = 'asked',
           answer_deadline = now() + interval '1 minute', answered_at = now()"""
    )
    asked.shop.run("answer")
    assert (asked.told, asked.desk.asked["case"]) == ([], 0)


def test_an_account_at_fault_holds_no_order_and_the_answer_waits(asked):
    asked.desk.errors["case"] = [Misconfigured("permission_denied")] * 9
    asked.ends()
    for _ in range(9):
        asked.tell()
    assert (asked.shop.holds(), asked.told) == (["stopping"], [])
    asked.tell()
    assert asked.told == [("stopped", "stopped")]
