"""What must never come of goods is seen: each sequence is played with right steps, and with one that is broken.

The documents of warehouses, the order of states, the day before completion, and the notices to buyers.
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from actors import dispatch, track, void
from actors.parcels import events
from domain.stops import VoidStatus
from domain.tracking import COMPLETED_AFTER
from ops.views.ledgers import our_ledger
from sandbox.spec import Floor
from tests.flows.life.outside import DAY_S, floor_of
from tests.flows.life.test_life import Life

pytestmark = pytest.mark.slow

TOLD = floor_of(is_idempotent=False)
BOOKS = floor_of(books_waybill=True, is_idempotent=False)
SPLITS = floor_of(books_waybill=True, splits=True, is_idempotent=False)


@pytest.fixture
def lives(make_house):
    """A life whose warehouses behave so; the courier tells only what it is told to."""

    def live(*floors, **given):
        life = Life(make_house())
        life.opens(forgets=False, floors=floors * 2, by_hand=True, **given)
        return life

    return live


def look(life):
    """All that is looked at after each move."""
    life.invariants_hold()
    life.a_package_has_one_living_waybill()
    life.no_piece_goes_twice()
    life.the_ledgers_agree_on_stock_and_bookings()
    life.orders_go_forward_and_end_in_time()
    life.a_buyer_hears_once_of_each_event()


def answer_of_placing_is_lost(life):
    life.house.buyers.order(("FIRST", 2))
    life.answer_is_lost(0, "lose")
    life.answer_is_lost(1, "lose")
    life.work_through()
    life.let_time_pass()
    life.work_through()


def forget_calls(monkeypatch):
    """dispatch does not ask what an earlier call has placed."""
    monkeypatch.setattr(dispatch.DispatchStep, "_would_double", lambda _self, _location: False)
    known = dispatch.load_undispatched
    monkeypatch.setattr(
        dispatch, "load_undispatched", lambda tx, ids: [replace(one, is_asked_about=False) for one in known(tx, ids)]
    )


@pytest.mark.parametrize("floor", [TOLD, BOOKS], ids=["told", "books"])
def test_a_lost_answer_makes_no_second_document(lives, floor):
    life = lives(floor)
    answer_of_placing_is_lost(life)
    look(life)
    assert [document.reference for _, document in life.house.floors.documents()] != []
    life.teardown()


def test_control_a_dispatch_that_forgets_its_calls_places_two_documents(lives, monkeypatch):
    forget_calls(monkeypatch)
    life = lives(TOLD)
    answer_of_placing_is_lost(life)
    with pytest.raises(AssertionError, match="documents at the warehouses"):
        life.the_ledgers_agree_on_stock_and_bookings()


def test_control_a_second_document_brings_a_second_waybill(lives, monkeypatch):
    forget_calls(monkeypatch)
    life = lives(BOOKS)
    answer_of_placing_is_lost(life)
    life.house.floors.finish(life.house.clock.now)
    [trade] = life.house.buyers.trades
    assert life.house.witness.living(trade).total() == 4
    with pytest.raises(AssertionError, match="2 sold"):
        life.no_piece_goes_twice()


def test_what_a_warehouse_books_for_a_held_order_is_known(lives):
    """Once drawn: the order was closed while the warehouse had it, and nobody knew of the waybills that left."""
    life = lives(floor_of(books_waybill=True, splits=True))
    life.house.buyers.order(("FIRST", 2))
    life.work_through()
    life.warehouse_works(0, "on")
    life.warehouse_works(0, "on")
    life.wish(0, "closes")
    life.work("pull")
    life.work("normalize")
    life.teardown()
    assert len(our_ledger(life.house.db).booked) == 2
    assert life.house.rows("SELECT kind FROM order_case WHERE kind = 'stop_too_late'") == [("stop_too_late",)]
    life.an_operator_moves("release_all", 0)
    life.teardown()
    assert life.house.rows("SELECT status FROM shipment") == [("booked",)] * 2


def test_what_a_warehouse_has_not_packed_yet_is_stopped_when_its_order_is_closed(lives):
    life = lives(floor_of(books_waybill=True, splits=True))
    life.house.buyers.order(("FIRST", 2))
    life.work_through()
    life.wish(0, "closes")
    life.work_through()
    life.teardown()
    assert life.house.rows("SELECT status FROM stop") == [("stopped",)]
    assert (life.house.parcels.left(), life.house.rows("SELECT status FROM shipment")) == ([], [])


@pytest.fixture
def refused_where(lives, monkeypatch):
    """A warehouse has refused a package that has its label, and the other warehouse has shipped the same pieces.

    Returns the life, and the waybill that was left behind. `is_cancelled`: whether its courier cancels the waybill.
    """

    def refuse(*, is_cancelled=True):
        async def credit(_courier, _one):
            return void.NotVoided(VoidStatus.REFUSED, "credit")

        life = lives(TOLD)
        life.house.buyers.order(("BOTH-A", 2))
        life.work_through()
        [left_behind] = life.house.world.waybills.by_number.values()
        if not is_cancelled:
            monkeypatch.setattr(void, "_cancel", credit)
        life.warehouse_works(0, "refuse")
        life.house.settle()
        return life, left_behind

    return refuse


@pytest.fixture
def refused(refused_where):
    return refused_where()


def test_a_waybill_that_a_refusal_has_left_behind_is_void_and_its_pieces_go_under_another(refused):
    life, left_behind = refused
    life.teardown()
    [sent] = life.house.parcels.left()
    assert not left_behind.is_alive
    assert sent.number != left_behind.number
    assert (life.house.rows("SELECT kind FROM order_case"), life.house.open_holds()) == ([], [])


def test_one_that_its_courier_does_not_cancel_is_a_case(refused_where):
    """Once drawn: the witness counted the pieces of both labels."""
    life, left_behind = refused_where(is_cancelled=False)
    life.teardown()
    [sent] = life.house.parcels.left()
    assert left_behind.is_alive
    assert sent.number != left_behind.number
    assert life.house.rows("SELECT kind FROM order_case") == [("unwanted_waybill",)]
    assert life.house.open_holds() == []


def test_control_a_refused_package_that_leaves_all_the_same_is_seen(refused):
    life, left_behind = refused
    look(life)
    left_behind.is_alive = True
    left_behind.collect(life.house.clock.now)
    with pytest.raises(AssertionError, match="2 sold"):
        life.no_piece_goes_twice()


def leaves_in_two_packages(life):
    """One line of two pieces, each under a number of its own."""
    life.house.buyers.order(("SECOND", 2))
    life.work_through()
    life.house.floors.finish(life.house.clock.now)


def test_pieces_of_a_line_in_two_packages_are_each_told_once(lives):
    """Once drawn: the witness took the second package for a line that was told again."""
    life = lives(SPLITS)
    leaves_in_two_packages(life)
    life.teardown()
    told = life.house.world.ledger.write_backs
    assert [said.pieces for said in told] == [(1,), (1,)]
    assert {said.number for said in told} == life.house.world.waybills.by_number.keys()


def one_of_two_is_told(life):
    """Returns that write-back, and the number of the other package."""
    leaves_in_two_packages(life)
    life.work_through()
    [said] = life.house.world.ledger.write_backs
    [other] = life.house.world.waybills.by_number.keys() - {said.number}
    return said, other


@pytest.mark.parametrize(
    ("pieces", "is_other", "wrong"),
    [
        pytest.param((1,), False, "told again", id="one package twice"),
        pytest.param((2,), True, "told again", id="more than was sold"),
        pytest.param((), True, "told again", id="the whole line after a part"),
        pytest.param((2,), True, "does not carry", id="more than the package holds"),
    ],
)
def test_control_pieces_that_are_told_too_often_are_seen(lives, pieces, is_other, wrong):
    life = lives(SPLITS)
    said, other = one_of_two_is_told(life)
    look(life)
    number = other if is_other else said.number
    life.house.world.ledger.write_backs.append(replace(said, pieces=pieces, number=number))
    life.house.witness.look()
    assert any(wrong in seen for seen in life.house.witness.wrong_with_pieces())


def test_control_a_line_of_which_one_piece_was_told_is_not_told(lives):
    life = lives(SPLITS)
    said, _ = one_of_two_is_told(life)
    assert life.house.forgotten() == [str(line) for line in said.line_ids]


def test_the_last_pieces_are_told_after_an_answer_about_the_first_was_lost(lives):
    """The second package is due before the platform is asked about the first one, and would announce more to come."""
    life = lives(SPLITS)
    leaves_in_two_packages(life)
    life.let_time_pass()
    life.work("warehouse")
    life.meet_trouble("taobao", "unheard")
    life.work("writeback")
    life.let_time_pass()
    life.house.rows("UPDATE work SET due_at = now() + interval '1 hour' WHERE step = 'writeback' AND attempts > 0")
    life.work("writeback")
    assert len(life.house.world.ledger.write_backs) == 1
    life.teardown()
    assert [said.pieces for said in life.house.world.ledger.write_backs] == [(1,), (1,)]
    assert life.house.rows("SELECT code FROM hold") == []


@pytest.mark.parametrize(("step", "place"), [("writeback", "taobao"), ("notify", "hook")])
def test_a_letter_that_was_discarded_is_taken_up_in_the_end(lives, step, place):
    """Its step stops no order, so no hold is left to show that platform or buyer have not heard."""
    life = lives(TOLD)
    life.house.buyers.order(("FIRST", 2))
    life.work_through()
    life.house.send_booked()
    life.let_time_pass()
    life.work("warehouse")
    life.house.corridor.down[place] = "unheard"
    for _ in range(4):
        life.let_time_pass()
        life.work(step)
    life.house.corridor.down.clear()
    life.an_operator_moves("discard", 0)
    assert life.house.rows("SELECT step, closed_as FROM dead_letter") == [(step, "discarded")]
    life.teardown()


def test_a_waybill_that_a_warehouse_has_booked_is_not_cancelled_unknown_to_it(lives):
    """Once drawn: its courier cancelled the waybill of a package whose events were still to come."""
    life = lives(BOOKS)
    life.house.buyers.order(("FIRST", 2))
    life.work_through()
    for _ in range(2):
        life.warehouse_works(0, "on")
    [waybill] = life.house.world.waybills.by_number.values()
    life.cancel_unrecorded(0)
    assert waybill.is_alive
    life.teardown()


def leaves(life):
    """One order, until the courier could have its parcel."""
    life.house.buyers.order(("FIRST", 2))
    life.work_through()
    for _ in range(3):
        life.warehouse_works(0, "on")
    life.work_through()
    assert len(life.house.parcels.left()) == 1


def test_control_what_leaves_a_warehouse_that_was_not_told_of_it_is_seen(lives):
    """The warehouse hears of labels from the courier, which hides that nobody has placed a document."""
    life = lives(TOLD)
    works = life.house.world.warehouses.works.values()
    for each in works:
        each.floor = Floor(learns_from="courier")
    life.house.bring_order_to("dispatch")
    for each in works:
        each.floor = TOLD
    assert len(life.house.parcels.left()) == 1
    with pytest.raises(AssertionError, match="was not told of it"):
        life.the_ledgers_agree_on_stock_and_bookings()


def is_signed(life):
    leaves(life)
    for what in ("collected", "signed"):
        life.courier_tells(0, what, 0.0)
    life.let_time_pass()
    life.work("track")
    assert life.house.rows("SELECT DISTINCT state FROM fulfillment_order") == [("delivered",)]


def states(life):
    return [row[0] for row in life.house.rows("SELECT DISTINCT state FROM fulfillment_order")]


def test_an_order_is_completed_a_day_after_its_signing_and_not_a_second_before(lives):
    life = lives(TOLD)
    is_signed(life)
    life.day_passes(-1.0)
    look(life)
    assert states(life) == ["delivered"]
    life.day_passes(0.0)
    look(life)
    assert states(life) == ["completed"]
    completed = "SELECT count(*) FROM event WHERE to_state = 'completed'"
    assert life.house.rows(completed) == [(1,)]


def test_control_an_order_that_is_completed_a_second_early_is_seen(lives, monkeypatch):
    def is_completed(delivered_at, now):
        return now - delivered_at >= COMPLETED_AFTER - timedelta(seconds=1)

    monkeypatch.setattr(events, "is_completed", is_completed)
    monkeypatch.setattr(track, "is_completed", is_completed)
    life = lives(TOLD)
    is_signed(life)
    look(life)
    life.day_passes(-1.0)
    with pytest.raises(AssertionError, match="completed, and its parcels were signed for at"):
        life.orders_go_forward_and_end_in_time()


def test_control_an_order_that_goes_back_is_seen(lives):
    life = lives(TOLD)
    leaves(life)
    look(life)
    life.house.rows("UPDATE fulfillment_order SET state = 'in_warehouse'")
    life.work("review")
    life.house.seen.look(life.house.clock.now)
    with pytest.raises(AssertionError, match="packed and then in_warehouse"):
        life.orders_go_forward_and_end_in_time()


def test_a_repeated_event_brings_no_second_notice(lives):
    life = lives(floor_of(repeats_events=1.0))
    is_signed(life)
    life.work_through()
    life.courier_tells(0, "signed", 0.0)
    life.let_time_pass()
    life.work_through()
    look(life)
    assert len(life.house.world.ledger.told) == 1


def test_control_a_notice_under_another_event_id_is_seen(lives):
    life = lives(TOLD)
    leaves(life)
    life.work_through()
    look(life)
    life.house.rows("UPDATE notice SET event_id = gen_random_uuid(), status = 'pending', told_at = NULL")
    life.house.rows(
        "INSERT INTO work (step, subject_id, lane, account, shop) "
        "SELECT 'notify', n.id, 'p1', n.channel, o.platform || '/' || o.shop FROM notice AS n, orders AS o"
    )
    life.work("notify")
    with pytest.raises(AssertionError):
        life.a_buyer_hears_once_of_each_event()


def test_events_in_any_order_end_in_the_same_state(lives):
    """The courier tells of a signing first, and of the collection hours later."""
    life = lives(TOLD)
    leaves(life)
    for what, age_s in (("signed", 0.0), ("out", 600.0), ("odd", 0.0), ("collected", 7200.0)):
        life.courier_tells(0, what, age_s)
        life.let_time_pass()
        life.work("track")
        look(life)
    assert states(life) == ["delivered"]
    assert COMPLETED_AFTER.total_seconds() == DAY_S
