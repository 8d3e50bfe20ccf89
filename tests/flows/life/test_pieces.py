"""No piece goes twice, though a step forgets what it must look at: the constraints of the lines refuse it.

Each sequence is played three times: with right steps; with a step that is broken, while the constraint stands; and with
both gone, so that the harm is seen by the same witnesses as in `test_life`.
"""

from dataclasses import replace

import pytest

from actors import writeback
from actors.orders import parts, update_order
from domain.rules import RefundScope

pytestmark = pytest.mark.slow

SOLD = ("order_line", "never_more_than_sold")
PLANNED = ("fulfillment_line", "never_more_packed_than_planned")


def forget_to_take(monkeypatch):
    """A split gives pieces to the new part, and leaves them with the first."""
    monkeypatch.setattr(parts, "set_quantities", lambda _tx, _quantities: None)


def forget_the_plan(monkeypatch):
    """A newer content is planned as if nothing were under way."""
    known = update_order.load_plans
    monkeypatch.setattr(update_order, "load_plans", lambda tx, ids: ({}, known(tx, ids)[1]))


def forget_labels(monkeypatch):
    """A newer content takes pieces out of packages that have a label."""
    known = update_order.load_plans

    def load(tx, ids):
        planned, told = known(tx, ids)
        return {id_: [replace(one, bound=0) for one in lines] for id_, lines in planned.items()}, told

    monkeypatch.setattr(update_order, "load_plans", load)


def two_locations_fill_it(house):
    house.buyers.order(("FIRST", 2), ("SECOND", 1))
    house.run_all()


def a_labelled_order_is_amended(house):
    house.buyers.order(("FIRST", 2), ("BOTH-A", 1))
    house.run_all()
    house.buyers.wish(house.buyers.trades[0], "amends")
    house.run_all()


def a_refund_of_a_labelled_line_is_withdrawn(house):
    house.live_by(refund_asked_holds=RefundScope.LINES)
    house.buyers.order(("FIRST", 2), ("BOTH-A", 1))
    house.run_all()
    house.buyers.wish_of_line(house.buyers.trades[0], 1, "ask_refund")
    house.run_all()
    # A step that failed is tried for the last time.
    house.pass_time()
    house.run_all()
    house.buyers.wish_of_line(house.buyers.trades[0], 1, "withdraw_refund")
    house.run_all()


CASES = pytest.mark.parametrize(
    ("happens", "breaks", "constraint"),
    [
        pytest.param(two_locations_fill_it, forget_to_take, SOLD, id="a split forgets to take"),
        pytest.param(a_labelled_order_is_amended, forget_the_plan, SOLD, id="an update forgets the plan"),
        pytest.param(a_refund_of_a_labelled_line_is_withdrawn, forget_labels, PLANNED, id="an update forgets labels"),
    ],
)


def drop(house, constraint):
    table, name = constraint
    house.rows(f"ALTER TABLE {table} DROP CONSTRAINT {name}")


def refusals(house):
    """Steps that a constraint of the database has refused. That it is the one of the case, the control shows."""
    return house.rows("SELECT count(*) FROM dead_letter WHERE code = 'CheckViolation'")[0][0]


@CASES
def test_right_steps_send_each_piece_once(make_house, happens, breaks, constraint):
    del breaks, constraint
    house = make_house()
    happens(house)
    house.settle()
    assert house.witness.wrong_with_pieces() == house.forgotten() == house.breaches() == []
    assert house.comparison().agrees
    assert refusals(house) == 0


@CASES
def test_the_constraint_refuses_what_a_broken_step_would_double(make_house, monkeypatch, happens, breaks, constraint):
    del constraint
    breaks(monkeypatch)
    house = make_house()
    happens(house)
    house.settle()
    assert house.witness.wrong_with_pieces() == []
    assert refusals(house) > 0


@CASES
def test_control_without_the_constraint_a_piece_is_labelled_twice(make_house, monkeypatch, happens, breaks, constraint):
    breaks(monkeypatch)
    house = make_house()
    drop(house, constraint)
    happens(house)
    house.settle()
    assert house.witness.wrong_with_pieces() != []


def test_control_a_part_that_speaks_for_the_whole_order_is_seen(make_house, monkeypatch):
    known = writeback.load_writebacks

    def load(tx, ids):
        return [replace(row, outside=[]) for row in known(tx, ids)]

    monkeypatch.setattr(writeback, "load_writebacks", load)
    house = make_house()
    two_locations_fill_it(house)
    house.settle()
    assert any("does not carry" in wrong for wrong in house.witness.wrong_with_pieces())
