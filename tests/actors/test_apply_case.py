"""A case asks of its order what its kind, its stage and the place of the goods want, and takes it back."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.after_sale import CaseNeeds, CaseStage
from domain.cases import CaseKind
from domain.holds import HoldCode
from infra.engine.author import Author
from infra.tables.after_sale import store_platform_cases
from ops.verbs.holds import release
from tests.actors.hand_after_sale import HandAfterSale

STOPS = "SELECT code, goal, lines, case_id, status FROM stop ORDER BY id"
REFUND = ("refund_asked", "rebuild", [], "91001", "asked")


@pytest.fixture
def shop(merchant):
    merchant.platform.after_sale = HandAfterSale()
    merchant.stock("east", **{"TEE-1": 100})
    return merchant


@pytest.fixture
def tell(shop):
    """A case of the order, as the platform shows it now, applied."""

    def run(tid="1001", **changed):
        case = shop.platform.after_sale.show(tid, **changed)
        with shop.db.transaction() as tx:
            news = store_platform_cases(tx, "taobao/s1", [case])
            for id_ in news:
                tx.execute(
                    "INSERT INTO work (step, subject_id, lane) VALUES ('apply_case', %s, 'p1') ON CONFLICT DO NOTHING",
                    [id_],
                )
        shop.run("apply_case")
        return case

    return run


@pytest.fixture
def labelled(shop, trade):
    shop.deliver(trade(tid="1001"))
    shop.flow(until="label")
    return shop


def test_a_refund_of_a_booked_order_asks_for_a_stop_once_with_its_deadline(labelled, tell):
    until = datetime.now(UTC) + timedelta(hours=5)
    tell(decide_by=until)
    assert labelled.rows(STOPS) == [REFUND]
    assert labelled.one("SELECT until_at FROM stop") == until
    assert (labelled.states(), labelled.holds()) == (["on_hold"], ["stopping"])
    tell(version="9")
    assert labelled.one("SELECT count(*) FROM stop") == 1
    assert labelled.one("SELECT count(*) FROM event WHERE kind = 'stop_asked'") == 1
    assert len(labelled.due("answer")) == 1


def test_an_order_without_a_label_is_left_to_its_own_content(shop, trade, tell):
    shop.deliver(trade(tid="1001"))
    shop.flow(until="route")
    tell()
    assert (shop.rows(STOPS), shop.holds()) == ([], [])
    assert len(shop.due("answer")) == 1, "its platform hears what became of it all the same"


def test_a_refund_that_is_withdrawn_takes_its_stop_back(labelled, tell):
    tell()
    tell(stage=CaseStage.WITHDRAWN, needs=CaseNeeds.NOBODY)
    assert labelled.one("SELECT status FROM stop") == "withdrawn"
    assert labelled.holds() == []
    assert labelled.states() == ["allocated"]


def test_one_case_takes_back_nothing_that_another_asks(labelled, tell):
    tell(case_id="a")
    tell(case_id="b")
    tell(case_id="a", stage=CaseStage.WITHDRAWN)
    assert labelled.one("SELECT status FROM stop") == "asked"
    tell(case_id="b", stage=CaseStage.WITHDRAWN)
    assert labelled.one("SELECT status FROM stop") == "withdrawn"


def test_a_stop_of_a_person_is_no_case_s_to_take_back(labelled, tell):
    tell()
    labelled.rows("UPDATE stop SET case_id = NULL, asked_by = 'person', author = 'li', code = 'person'")
    tell(stage=CaseStage.WITHDRAWN)
    assert labelled.one("SELECT status FROM stop") == "asked"


@pytest.mark.parametrize("kind", [CaseKind.COMPENSATION, CaseKind.RESHIP, CaseKind.REPAIR])
def test_a_case_about_no_goods_of_the_order_holds_nothing(labelled, tell, kind):
    tell(kind=kind)
    assert (labelled.rows(STOPS), labelled.holds(), labelled.states()) == ([], [], ["allocated"])


def test_a_refund_that_turns_out_a_compensation_takes_its_stop_back(labelled, tell):
    tell()
    tell(kind=CaseKind.COMPENSATION)
    assert labelled.one("SELECT status FROM stop") == "withdrawn"


@pytest.mark.parametrize("until", ["reserve", "route", "label"])
def test_an_unknown_case_holds_the_parcel_and_frees_it_once_it_is_known(shop, trade, tell, until):
    shop.deliver(trade(tid="1001"))
    shop.flow(until=until)
    before = shop.states()
    tell(stage=CaseStage.UNKNOWN, needs=CaseNeeds.UNKNOWN)
    assert (shop.states(), shop.holds()) == (["on_hold"], ["refund_unknown"])
    assert shop.rows("SELECT owner, kind FROM order_case") == [("service", "pre_ship")]
    tell(version="8")
    assert shop.holds() == ["refund_unknown"]
    tell(stage=CaseStage.WITHDRAWN)
    assert (shop.states(), shop.holds()) == (before, [])
    shop.flow()
    assert len(shop.courier.waybills) == 1


def test_an_unknown_case_that_a_person_let_pass_holds_no_more(labelled, tell):
    tell(stage=CaseStage.UNKNOWN)
    release(
        labelled.db,
        labelled.one("SELECT id FROM orders"),
        HoldCode.REFUND_UNKNOWN,
        Author("li", "spoke with the buyer"),
    )
    tell(stage=CaseStage.UNKNOWN, version="9")
    assert labelled.holds() == []


@pytest.mark.parametrize(("kind", "asked"), [(CaseKind.REFUND_ONLY, ["refund_asked"]), (CaseKind.RETURN_REFUND, [])])
def test_a_refund_after_the_hand_over_is_a_case_with_an_owner(labelled, tell, kind, asked):
    """Case 46. Goods that the buyer sends back are not called back from the courier."""
    labelled.scan("accepted", "packed", "handed_over")
    states = labelled.states()
    tell(kind=kind)
    assert labelled.rows("SELECT kind, owner, due_at > now() FROM order_case WHERE stage <> ''") == [
        (kind, "service", True)
    ]
    assert [code for code, *_ in labelled.rows(STOPS)] == asked
    assert labelled.states() == states, "what has left is not held"


def test_a_refund_that_was_paid_at_first_sight_stops_what_is_booked(labelled, tell):
    tell(stage=CaseStage.REFUNDED, needs=CaseNeeds.NOBODY)
    assert labelled.rows(STOPS) == [("refund_paid", "close", *REFUND[2:])]


def test_a_stop_that_has_failed_outside_is_not_asked_for_again(labelled, tell):
    tell()
    labelled.rows("UPDATE stop SET status = 'too_late', ended_at = now()")
    tell(version="9")
    assert labelled.one("SELECT count(*) FROM stop") == 1


def test_a_stop_that_failed_for_another_reason_is_no_answer_to_a_refund(labelled, tell):
    tell()
    labelled.rows("UPDATE stop SET status = 'too_late', ended_at = now(), code = 'address_changed', case_id = NULL")
    tell(version="9")
    assert labelled.rows(STOPS)[1:] == [REFUND]


def test_a_case_before_its_order_asks_once_the_order_is_here(shop, trade, tell):
    tell()
    assert shop.rows("SELECT facts ->> 'waits_for' FROM event WHERE step = 'apply_case'") == [("order",)]
    shop.deliver(trade(tid="1001"))
    shop.flow(until="label")
    tell(version="9")
    assert shop.rows(STOPS) == [REFUND]


def test_a_line_of_a_case_is_asked_for_alone(shop, trade, tell):
    two = trade(tid="1001", pieces=1)
    line = two["orders"]["order"][0]
    two["orders"]["order"] = [{**line, "oid": 7001, "total_fee": "10.00"}, {**line, "oid": 7002, "total_fee": "10.00"}]
    shop.deliver({**two, "payment": "20.00", "total_fee": "20.00"})
    shop.flow(until="label")
    tell(line_ids=("7002",))
    assert shop.rows(STOPS) == [("refund_asked", "rebuild", ["7002"], "91001", "asked")]
