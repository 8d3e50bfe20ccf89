"""An order's life as a state machine: whatever platform, courier, warehouse, operators and bad luck do, in any order.

After every move the invariants hold and no package has two living waybills. In the end every order ends, and three
ledgers agree. LIFE_EXAMPLES=2000 makes it long; Hypothesis prints what repeats a failure.
"""

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from domain.reckoning import Verdict
from domain.states import Step
from infra.failpoints import POINTS

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("LIFE_EXAMPLES", "10"))
MOVES = 25
ORDERS_MAX = 12
ENDED = {Verdict.DONE, Verdict.CLOSED, Verdict.UNPAID, Verdict.HELD}

# Those around an effect on others more often.
DEATHS = POINTS + 3 * tuple(point for point in POINTS if point.startswith(("label.", "writeback.", "notify.")))

any_of = st.integers(min_value=0, max_value=30)
wishes = st.sampled_from(["pays", "closes", "asks_refund", "withdraws_refund", "amends", "moves", "complains"])
operations = st.sampled_from(["release", "replay", "replay_twice", "discard", "reopen", "bulk", "shut", "open"])


class Life(RuleBasedStateMachine):
    """Moves of all sides. Everything random is drawn by Hypothesis; time moves by hand."""

    def __init__(self, house):
        super().__init__()
        self.house = house

    @initialize(forgets=st.booleans())
    def opens(self, forgets):
        """`forgets`: the courier books again under a reference that it knows."""
        self.house.world.courier.knows_references = not forgets

    @rule(quantity=st.integers(min_value=1, max_value=3), is_paid=st.booleans(), is_vague=st.booleans())
    def somebody_orders(self, quantity, is_paid, is_vague):
        if len(self.house.trades) < ORDERS_MAX:
            self.house.order(quantity, is_paid=is_paid, detail="待定" if is_vague else "文三路1号")

    @rule(wish=wishes, which=any_of)
    def the_buyer(self, wish, which):
        if self.house.trades:
            self.house.wish(self.house.trade(which), wish)

    @rule(step=st.sampled_from(list(Step)))
    def works(self, step):
        self.house.run(step)

    @rule()
    def works_through(self):
        self.house.run_all()

    @rule(point=st.sampled_from(DEATHS))
    def a_worker_dies(self, point):
        """With an order in its hands that has come just so far."""
        self.house.order()
        self.house.run_all(before=Step(point.partition(".")[0]))
        self.house.die_at(point)

    @rule(where=st.sampled_from(["taobao", "sf", "warehouse", "hook"]), how=st.sampled_from(["away", "unheard"]))
    def a_call_fails(self, where, how):
        self.house.corridor.troubles.append((where, how))

    @rule(where=st.sampled_from(["sf", "hook"]), how=st.sampled_from(["garbled", "slow_down"]))
    def an_answer_is_odd(self, where, how):
        self.house.corridor.troubles += [(where, how)] * 2

    @rule()
    def time_passes(self):
        self.house.pass_time()

    @rule(which=any_of)
    def the_courier_cancels_what_nobody_recorded(self, which):
        self.house.cancel_unrecorded(which)

    @rule(which=any_of, kind=st.sampled_from(["accepted", "packed", "handed_over"]))
    def the_warehouse_scans(self, which, kind):
        self.house.scan(which, kind)

    @rule(operation=operations, which=any_of)
    def an_operator(self, operation, which):
        self.house.operate(operation, which)

    @invariant()
    def invariants_hold(self):
        assert self.house.breaches() == []

    @invariant()
    def a_package_has_one_living_waybill(self):
        assert self.house.doubled() == []

    @invariant()
    def no_piece_is_promised_twice(self):
        assert self.house.reckoning().oversold == 0

    def teardown(self):
        self.house.settle()
        reckoning = self.house.reckoning()
        assert reckoning.agrees, reckoning
        assert set(reckoning.verdicts) <= ENDED, reckoning
        assert self.house.breaches() == []
        assert self.house.told_twice() == []


def test_whatever_happens_every_order_ends(make_house):
    run_state_machine_as_test(
        lambda: Life(make_house()),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=MOVES,
            phases=[Phase.generate, Phase.shrink],
            database=None,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_planted_harms_are_seen(make_house):
    life = Life(make_house())
    life.opens(forgets=False)
    life.a_worker_dies("label.booked")
    life.a_package_has_one_living_waybill()
    life.invariants_hold()
    [(reference,)] = life.house.rows("SELECT reference FROM shipment")
    life.house.pull_lever("plant_waybill", reference=reference)
    with pytest.raises(AssertionError):
        life.a_package_has_one_living_waybill()
    life.house.rows("DELETE FROM work WHERE step = 'label'")
    with pytest.raises(AssertionError):
        life.invariants_hold()
    with pytest.raises(AssertionError):
        life.teardown()
