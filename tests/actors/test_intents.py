"""A booking that may have happened is resolved, whatever became of its order meanwhile."""

from dataclasses import replace

import pytest

from actors import label
from adapters.ports import Waybill
from domain.errors import Conflict, Poison, Transient
from domain.holds import HoldCode
from infra.engine.author import Author
from infra.monitoring.invariants import find_breaches
from infra.tables.migrate import FOLDER
from infra.tables.packages import load_unlabelled
from infra.tables.stock import release_stock
from infra.tables.writebacks import Selection
from ops.faces.terminal.letters import preview_in_words
from ops.verbs import letters
from ops.verbs.holds import release
from ops.views import letters as letter_views
from ops.views.writebacks import open_writebacks

LI = Author("li", "looked at it")
CLOSED = {"status": "TRADE_CLOSED", "modified": "2026-11-22 10:00:00"}
MOVED = {"receiver_district": "滨江区", "modified": "2026-11-22 10:00:00"}
WARNED = {"seller_memo": "先别发", "modified": "2026-11-22 10:00:00"}


class Killed(BaseException):
    """The end of the process, between two instructions."""


@pytest.fixture
def first(trade):
    return trade(tid="1001")


@pytest.fixture
def make_unheard(make_merchant, first):
    """An order whose worker died just after the courier booked (`at`: or just before); the sweeper freed its work."""

    def make(at="after_create", ship_on="handover"):
        merchant = make_merchant(ship_on=ship_on)
        merchant.stock(**{"TEE-1": 10})
        merchant.deliver(first)
        merchant.flow("route")
        merchant.courier.knows_references = False
        merchant.courier.errors = {at: [Killed()]}
        with pytest.raises(Killed):
            merchant.run("label")
        merchant.rows("UPDATE work SET lease_token = NULL, lease_until = NULL, is_suspect = true WHERE step = 'label'")
        merchant.rows("DELETE FROM flight")
        return merchant

    return make


@pytest.fixture
def unheard(make_unheard):
    return make_unheard()


def shipments(merchant):
    return merchant.rows("SELECT generation, status, waybill, call_deadline IS NOT NULL FROM shipment ORDER BY id")


def becomes(merchant, trade, changes):
    """The platform's order changes before anybody recovers the booking."""
    merchant.deliver(trade | changes)
    merchant.run("normalize")


def recover(merchant):
    merchant.fall_due()
    merchant.run("label")


def unknown_living(merchant):
    known = {row[0] for row in merchant.rows("SELECT waybill FROM shipment WHERE waybill IS NOT NULL")}
    return [one.number for one in merchant.courier.waybills if one.alive and one.number not in known]


def breaches(merchant):
    with merchant.db.connection() as session:
        return [str(one) for one in find_breaches(session)]


def send_back(merchant):
    """As after an allocation that was withdrawn: the order starts again at its promise, its package stays."""
    merchant.rows("UPDATE fulfillment_order SET state = 'paid'")
    merchant.rows("INSERT INTO work (step, subject_id, lane) SELECT 'review', id, lane FROM fulfillment_order")


def let_go(merchant, code):
    return release(merchant.db, merchant.one("SELECT id FROM orders"), code, LI)


def test_the_buyer_closes_before_the_recovery_and_the_waybill_is_known_and_voided(unheard, first):
    becomes(unheard, first, CLOSED)
    assert (unheard.states(), unheard.holds()) == (["on_hold"], ["stopping"])
    recover(unheard)
    assert shipments(unheard) == [(1, "booked", "SF0001", False)]
    assert (unheard.holds(), breaches(unheard)) == (["stopping"], [])
    unheard.end_stops()
    assert (shipments(unheard), unheard.states()) == ([(1, "voided", "SF0001", False)], ["closed"])
    assert (unheard.courier.asked["create"], unheard.holds()) == (1, [])
    assert (unknown_living(unheard), breaches(unheard), unheard.due("label")) == ([], [], [])


def test_control_left_alone_its_waybill_lives_and_nobody_knows_it(unheard, first, monkeypatch):
    def forget_who_is_stopped(tx, ids):
        rows = load_unlabelled(tx, ids)
        return [row if row.state == "allocated" else replace(row, is_asked_about=False) for row in rows]

    monkeypatch.setattr(label, "load_unlabelled", forget_who_is_stopped)
    becomes(unheard, first, CLOSED)
    recover(unheard)
    assert (unknown_living(unheard), unheard.due("label")) == (["SF0001"], [])
    assert [one.partition(":")[0] for one in breaches(unheard)] == ["intent_is_resolved"]


def test_an_order_whose_address_changes_gets_a_new_waybill_once_the_old_one_is_known_and_dead(unheard, first):
    becomes(unheard, first, MOVED)
    assert (unheard.states(), unheard.holds()) == (["on_hold"], ["stopping"])
    unheard.fall_due()
    unheard.end_stops()
    unheard.flow("label")
    assert [(one.number, one.alive) for one in unheard.courier.waybills] == [("SF0001", False), ("SF0002", True)]
    assert (unheard.states(), unheard.holds(), breaches(unheard)) == (["allocated"], [], [])


def test_an_order_that_is_held_for_another_reason_keeps_its_waybill(unheard, first):
    becomes(unheard, first, WARNED)
    recover(unheard)
    assert (shipments(unheard), unheard.holds()) == ([(1, "booked", "SF0001", False)], ["sensitive_word"])
    released = let_go(unheard, HoldCode.SENSITIVE_WORD)
    assert (released.state, released.due) == ("allocated", ())
    assert (unheard.courier.asked["create"], breaches(unheard)) == (1, [])


def test_nothing_is_booked_for_a_held_order_where_the_courier_has_nothing(make_unheard, first):
    unheard = make_unheard("create")
    becomes(unheard, first, WARNED)
    recover(unheard)
    assert (shipments(unheard), unheard.courier.waybills) == ([(1, "intended", None, False)], [])
    assert (breaches(unheard), unheard.due("label")) == ([], [])
    let_go(unheard, HoldCode.SENSITIVE_WORD)
    unheard.run("label")
    assert (shipments(unheard), unheard.courier.asked["find"]) == ([(1, "booked", "SF0001", False)], 1)


def test_it_is_not_asked_before_the_earlier_call_is_over(unheard, first):
    becomes(unheard, first, CLOSED)
    unheard.run("label")
    assert unheard.courier.asked["find"] == 0
    assert len(unheard.due("label")) == 1


def test_a_shipment_that_was_cancelled_meanwhile_is_voided_and_no_other_is_booked(unheard, first):
    becomes(unheard, first, CLOSED)
    unheard.courier.waybills = [replace(one, alive=False) for one in unheard.courier.waybills]
    recover(unheard)
    assert shipments(unheard) == [(1, "voided", None, False)]
    assert (unheard.courier.asked["create"], unheard.holds(), breaches(unheard)) == (1, ["stopping"], [])
    unheard.end_stops()
    assert (unheard.courier.asked["create"], unheard.states(), unheard.holds()) == (1, ["closed"], [])


def test_an_order_that_started_again_is_stopped_and_asked_about_too(unheard, first):
    send_back(unheard)
    becomes(unheard, first, CLOSED)
    unheard.run("review")
    assert unheard.states() == ["on_hold"]
    assert "stopping" in unheard.holds()
    recover(unheard)
    assert shipments(unheard) == [(1, "booked", "SF0001", False)]
    assert (unknown_living(unheard), breaches(unheard)) == ([], [])
    unheard.end_stops()
    assert (unheard.states(), unheard.holds(), breaches(unheard)) == (["closed"], [], [])


def test_an_order_that_started_again_with_its_label_loses_the_waybill(merchant, first):
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(first)
    merchant.flow("label")
    send_back(merchant)
    becomes(merchant, first, CLOSED)
    merchant.run("review")
    merchant.end_stops()
    assert (merchant.states(), merchant.holds(), breaches(merchant)) == (["closed"], [], [])
    assert shipments(merchant) == [(1, "voided", "SF0001", False)]


def test_a_hold_of_the_label_stays_beside_that_of_the_closed_order(unheard, first):
    unheard.courier.can_find = False
    recover(unheard)
    assert (unheard.holds(), unheard.due("label")) == (["waybill_error"], [])
    becomes(unheard, first, CLOSED)
    assert (unheard.states(), unheard.holds()) == (["on_hold"], ["stopping", "waybill_error"])
    becomes(unheard, first, CLOSED | {"seller_memo": "again", "modified": "2026-11-22 10:05:00"})
    assert unheard.holds() == ["stopping", "waybill_error"]
    unheard.end_stops()
    assert unheard.holds() == ["stopping", "waybill_error"], "nobody can ask the courier"
    let_go(unheard, HoldCode.WAYBILL_ERROR)
    unheard.end_stops()
    assert (unheard.states(), unheard.holds(), breaches(unheard)) == (["closed"], [], []), "a person has settled it"


@pytest.mark.parametrize("is_idempotent", [True, False])
def test_what_cannot_be_asked_is_never_called_again_for_a_closed_order(unheard, first, is_idempotent):
    unheard.courier.can_find, unheard.courier.is_idempotent = False, is_idempotent
    with unheard.db.transaction() as tx:
        release_stock(tx, [unheard.one("SELECT id FROM fulfillment_order")])
    unheard.rows("UPDATE fulfillment_order SET state = 'closed', finished_at = now(), closed_reason = 'by hand'")
    recover(unheard)
    assert (unheard.courier.asked["create"], unheard.holds(), breaches(unheard)) == (1, ["waybill_error"], [])
    assert unheard.rows("SELECT owner, facts ->> 'code' FROM hold") == [("logistics", "outcome_unknown")]
    released = let_go(unheard, HoldCode.WAYBILL_ERROR)
    assert (released.state, released.due, unheard.holds()) == ("closed", (), [])
    assert ([status for _, status, *_ in shipments(unheard)], breaches(unheard)) == (["voided"], [])


def test_what_cannot_be_asked_stays_somebodys_while_the_order_is_held(unheard, first):
    unheard.courier.can_find, unheard.courier.is_idempotent = False, True
    becomes(unheard, first, WARNED)
    recover(unheard)
    assert unheard.holds() == ["sensitive_word", "waybill_error"]
    let_go(unheard, HoldCode.WAYBILL_ERROR)
    recover(unheard)
    assert unheard.holds() == ["sensitive_word", "waybill_error"], "nobody knows it yet"
    let_go(unheard, HoldCode.SENSITIVE_WORD)
    let_go(unheard, HoldCode.WAYBILL_ERROR)
    unheard.courier.knows_references = True
    recover(unheard)
    assert unheard.courier.asked["create"] == 2, "now it is wanted, and repeating it does no harm"


def test_a_refund_that_is_seen_after_the_question_leaves_nothing_open(make_unheard):
    unheard = make_unheard("create")
    unheard.platform.refunds.add("1001")
    recover(unheard)
    assert (shipments(unheard), unheard.holds()) == ([(1, "intended", None, False)], ["refund_requested"])
    assert breaches(unheard) == []


def test_a_refund_that_is_seen_where_nobody_can_ask_leaves_the_question_to_a_person(make_unheard):
    unheard = make_unheard("create")
    unheard.courier.can_find, unheard.courier.is_idempotent = False, True
    unheard.platform.refunds.add("1001")
    recover(unheard)
    assert (unheard.holds(), breaches(unheard)) == (["refund_requested", "waybill_error"], [])


def test_the_order_closes_while_the_call_runs(merchant, first):
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(first)
    merchant.flow("route")
    create = merchant.courier.create

    async def slow(booking) -> Waybill:
        merchant.rows("UPDATE orders SET platform_state = 'closed'")
        merchant.rows("UPDATE fulfillment_order SET state = 'on_hold', resume_state = 'allocated'")
        return await create(booking)

    merchant.courier.create = slow
    merchant.run("label")
    assert (shipments(merchant), merchant.holds()) == ([(1, "booked", "SF0001", False)], ["stopping"])
    merchant.end_stops()
    assert (merchant.states(), merchant.holds(), breaches(merchant)) == (["closed"], [], [])


def test_a_shop_that_ships_on_label_hears_of_a_held_order_after_its_release(make_unheard, first):
    unheard = make_unheard(ship_on="label")
    becomes(unheard, first, WARNED)
    recover(unheard)
    assert (unheard.one("SELECT status FROM writeback"), unheard.due("writeback")) == ("pending", [])
    assert open_writebacks(unheard.db, Selection(any_open=True)) == [], "no command tells it either"
    assert breaches(unheard) == []
    assert let_go(unheard, HoldCode.SENSITIVE_WORD).due == ("writeback",)
    unheard.run("writeback")
    assert unheard.platform.told == ["SF0001"]


def test_and_never_of_a_closed_one(make_unheard, first):
    unheard = make_unheard(ship_on="label")
    becomes(unheard, first, CLOSED)
    recover(unheard)
    assert unheard.one("SELECT count(*) FROM writeback") == 0


@pytest.fixture
def given_up_label(unheard, first):
    """The query failed each time and ended as a dead letter; then the buyer changed the order."""

    def give_up(changes, resume="allocated"):
        unheard.courier.errors = {"find": [Poison("unreadable")]}
        recover(unheard)
        assert unheard.letters() == [("label", "unreadable")]
        unheard.rows("UPDATE fulfillment_order SET resume_state = %s", resume)
        becomes(unheard, first, changes)
        return unheard, unheard.one("SELECT id FROM dead_letter")

    return give_up


@pytest.mark.parametrize(("changes", "resume"), [(CLOSED, "allocated"), (MOVED, "allocated"), (CLOSED, "paid")])
def test_the_replay_of_a_letter_asks_whatever_holds_or_closed_the_order(given_up_label, changes, resume):
    unheard, letter = given_up_label(changes, resume)
    [foreseen] = letter_views.preview(unheard.db, [letter], lambda _account, _reference: "SF0001")
    assert (foreseen.answer, preview_in_words(foreseen)) == ("replayed", "will record waybill SF0001, books nothing")
    [answer] = letters.replay_letters(unheard.db, [letter], LI)
    assert answer.answer == "replayed"
    recover(unheard)
    assert (unknown_living(unheard), unheard.courier.asked["create"], breaches(unheard)) == ([], 1, [])


@pytest.mark.parametrize(("changes", "resume"), [(CLOSED, "allocated"), (MOVED, "allocated"), (CLOSED, "paid")])
def test_a_discarded_letter_is_no_answer_either(given_up_label, changes, resume):
    unheard, letter = given_up_label(changes, resume)
    letters.discard(unheard.db, letter, LI)
    assert breaches(unheard) == []
    recover(unheard)
    assert (unknown_living(unheard), unheard.courier.asked["create"], breaches(unheard)) == ([], 1, [])


def test_trouble_with_the_question_is_tried_again_and_ends_as_a_letter(unheard, first):
    becomes(unheard, first, CLOSED)
    unheard.courier.errors = {"find": [Transient("down")] * 50}
    for _ in range(20):
        recover(unheard)
    assert (unheard.letters(), unheard.due("label")) == ([("label", "down")], [])
    assert (breaches(unheard), unheard.courier.asked["create"]) == ([], 1)


def test_the_schema_takes_up_what_was_left_alone_before(unheard, first):
    becomes(unheard, first, CLOSED)
    unheard.rows("DELETE FROM work WHERE step = 'label'")
    with unheard.db.connection() as connection:
        for statement in _data_statements():
            connection.execute(statement)
    recover(unheard)
    assert (unknown_living(unheard), breaches(unheard)) == ([], [])


def test_the_schema_shows_what_lives_for_closed_orders(merchant, first):
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(first)
    merchant.flow("label")
    merchant.rows("DELETE FROM reservation")
    merchant.rows("UPDATE fulfillment_order SET state = 'closed', finished_at = now(), closed_reason = 'before'")
    assert "unwanted_is_shown" in str(breaches(merchant))
    with merchant.db.connection() as connection:
        for statement in _data_statements():
            connection.execute(statement)
    assert "unwanted_is_shown" not in str(breaches(merchant))
    assert merchant.holds() == ["unwanted_waybill"]


def _data_statements():
    text = next(FOLDER.glob("0008_*.sql")).read_text(encoding="utf-8")
    return [part for part in text.split(";\n") if "INSERT INTO" in part]


def test_a_waybill_of_another_package_is_not_promised(unheard, trade):
    [one] = unheard.courier.waybills
    unheard.courier.errors = {"find": [Conflict("odd")]}
    recover(unheard)
    unheard.rows("UPDATE hold SET released_at = now(), released_by = 'li'")
    _give_up(unheard)
    other = trade(tid="1002")
    unheard.deliver(other)
    unheard.flow("label")
    number = unheard.one("SELECT waybill FROM shipment WHERE status = 'booked'")
    letter = unheard.one("SELECT id FROM dead_letter")
    [foreseen] = letter_views.preview(unheard.db, [letter], lambda _account, _reference: number)
    assert "taobao/s1/1002" in preview_in_words(foreseen)
    assert "will adopt" not in preview_in_words(foreseen)
    [foreseen] = letter_views.preview(unheard.db, [letter], lambda _account, _reference: one.number)
    assert preview_in_words(foreseen) == f"resumes as allocated, will adopt waybill {one.number}, books nothing"


def _give_up(merchant):
    merchant.rows(
        """INSERT INTO dead_letter (step, subject_id, lane, account, order_id, fulfillment_order_id, code, fingerprint,
                                    causes, attempts, crashes, owner, due_at)
           SELECT 'label', p.id, f.lane, p.account, f.order_id, f.id, 'odd', 'f', '[{}]', 1, 0, 'engineering', now()
           FROM package AS p JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id"""
    )
