"""An order's life as a state machine: whatever platform, courier, warehouse, operators and bad luck do, in any order.

After every move the invariants hold, no package has two living waybills, no fulfillment order two documents at a
warehouse, and no piece was labelled, handed over or told of that nobody wanted, or twice. No state goes backward, no
order is completed before its day has passed, and no buyer hears of one event twice. In the end every order ends, no
piece is forgotten, and the ledgers agree. LIFE_EXAMPLES=2000 makes it long; Hypothesis prints what repeats a failure.
"""

import os
from collections import Counter
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from actors import label
from domain.errors import Refused
from domain.ledger_check import Verdict
from domain.rules import RefundScope, WhenShort
from infra.process.failpoints import step_points
from infra.process.steps import STEPS
from ops.views.ledgers import our_ledger
from sandbox.parcels import EVENTS
from sandbox.spec import Floor
from tests.flows.life.outside import DAY_S, floor_of

POINTS = step_points()
# In how many lives each end was reached, for the report of a long run.
REACHED = Counter()

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("LIFE_EXAMPLES", "15"))
MOVES = 15
ORDERS_MAX = 8
SCANS = ("accepted", "packed", "handed_over")
ENDED = {Verdict.DONE, Verdict.CLOSED, Verdict.NOT_OURS, Verdict.UNPAID, Verdict.HELD}

# Those around an effect on others more often.
DEATHS = POINTS + 3 * tuple(
    point for point in POINTS if point.startswith(("label.", "dispatch.", "writeback.", "notify."))
)

any_of = st.integers(min_value=0, max_value=30)
wishes = st.sampled_from(
    [
        "pays",
        "closes",
        "asks_refund",
        "withdraws_refund",
        "is_refunded",
        "is_stopped",
        "is_let_go",
        "amends",
        "moves",
        "complains",
    ]
)
wishes_of_line = st.sampled_from(
    ["ask_refund", "withdraw_refund", "refuse_refund", "pay_refund", "pay_refund", "close_lines", "ship_by_hand"]
)
operations = st.sampled_from(
    ["release", "release_all", "replay", "replay_twice", "discard", "reopen", "bulk", "shut", "open"]
)
places = st.sampled_from(["taobao", "sf", "warehouse", "hook"])


# SKU, pieces, and who ships them.
lines = st.tuples(
    st.sampled_from(["BOTH-A", "FIRST", "FIRST", "FIRST", "SECOND", "SECOND", "SECOND", "SCARCE"]),
    st.integers(min_value=1, max_value=3),
    st.sampled_from(["merchant"] * 7 + ["platform"]),
)
baskets = st.lists(lines, min_size=1, max_size=3)
RULES = (
    {},
    {"refund_asked_holds": RefundScope.LINES},
    {"when_short": WhenShort.SHIP_PART},
    {"refund_asked_holds": RefundScope.LINES, "when_short": WhenShort.SHIP_PART},
    {"max_parts": 1},
)


def named(name, *args):
    return st.tuples(st.just(name), *args)


shares = st.sampled_from([0.0, 0.0, 0.3])
takes_orders = st.builds(
    floor_of,
    books_waybill=st.just(False),
    is_idempotent=st.booleans(),
    refuses=shares,
    forgets=shares,
    repeats_events=shares,
    late_events_s=st.sampled_from([0.0, 30.0]),
    find_lag_s=st.sampled_from([0.0, 30.0]),
)
books = st.builds(
    floor_of,
    books_waybill=st.just(True),
    splits=st.booleans(),
    is_idempotent=st.booleans(),
    refuses=shares,
    repeats_events=shares,
    late_events_s=st.sampled_from([0.0, 30.0]),
)
# A usual floor learns of orders from the courier's labels.
floors = st.tuples(*[st.one_of(st.just(Floor(learns_from="courier")), takes_orders, takes_orders, books)] * 2)

# Few rules with much to draw inside: Hypothesis leaves out some rules of each example, and repeats others.
others = st.one_of(
    named("order", baskets, st.sampled_from([True, True, False]), st.sampled_from([True, False, False])),
    named("wish", any_of, wishes),
    named("wish_of_line", any_of, any_of, wishes_of_line),
    named("scan", any_of, st.sampled_from([*SCANS, *(f"other {kind}" for kind in SCANS), *SCANS, *SCANS])),
    named("cancel_unrecorded", any_of),
)
# Of warehouses that take orders, and of the courier on the way.
of_goods = st.one_of(
    named("warehouse_works", any_of, st.sampled_from(["on", "on", "on", "on", "refuse", "short", "drop"])),
    named("warehouse_works", any_of, st.just("on")),
    named("answer_is_lost", any_of, st.sampled_from(["lose", "drop"])),
    named("courier_tells", any_of, st.sampled_from([*EVENTS, "signed", "lost"]), st.sampled_from([0.0, 600.0, 7200.0])),
    named("day_passes", st.sampled_from([-1.0, 0.0])),
)
ours = st.one_of(
    named("work", st.sampled_from(list(STEPS))),
    named("work_through"),
    named("die", st.sampled_from(DEATHS), baskets),
    named("meet_trouble", places, st.sampled_from(["away", "unheard", "garbled", "slow_down"])),
    named("let_time_pass"),
)


def unknown_living(house):
    """Waybills that live at the courier and that we neither have nor show to anybody."""
    known = {row[0] for row in house.rows("SELECT waybill FROM shipment WHERE waybill IS NOT NULL")}
    known |= our_ledger(house.db).shown_waybills
    return [number for number, one in house.world.waybills.by_number.items() if one.is_alive and number not in known]


class Life(RuleBasedStateMachine):
    """Moves of all sides. Everything random is drawn by Hypothesis; time moves by hand."""

    def __init__(self, house):
        super().__init__()
        self.house = house

    @initialize(
        forgets=st.sampled_from([True, True, False]),
        rules=st.sampled_from([{}, {}, *RULES]),
        first=st.lists(baskets, min_size=1, max_size=3),
        floors=floors,
        can_find=st.sampled_from([True, True, False]),
        by_hand=st.sampled_from([True, True, False]),
        stage=st.sampled_from([0, 0, 1, 2, 3]),
    )
    def opens(self, forgets, rules=RULES[0], first=(), floors=(), *, can_find=True, by_hand=False, stage=0):
        """`forgets`: the courier books again under a reference that it knows. `first`: orders that have come in.

        `floors`, `can_find`: how the warehouses behave, and whether they can be asked. `by_hand`: the courier tells of
        a parcel only what is drawn. `stage`: the orders are not read yet, with the warehouse, have left, or are signed.
        """
        self.house.world.courier.knows_references = not forgets
        self.house.deal_with(floors, can_find=can_find, by_hand=by_hand)
        if rules:
            self.house.live_by(**rules)
        for basket in first:
            self.house.buyers.order(*basket)
        if stage > 0:
            self.work_through()
        if stage > 1:
            for which in range(9):
                self.warehouse_works(which, "on")
            self.house.send_to_the_courier()
            self.work_through()
        if stage > 2:
            for which, what in ((which, what) for which in range(3) for what in ("collected", "signed")):
                self.courier_tells(which, what, 0.0)
            self.let_time_pass()
            self.work("track")

    @rule(move=others)
    def others_move(self, move):
        name, *args = move
        getattr(self, name)(*args)

    @rule(move=ours)
    def we_move(self, move):
        name, *args = move
        getattr(self, name)(*args)

    @rule(move=of_goods)
    def goods_move(self, move):
        name, *args = move
        getattr(self, name)(*args)

    @rule(operation=operations, which=any_of)
    def an_operator_moves(self, operation, which):
        self.house.operate(operation, which)

    def order(self, basket, is_paid, is_vague):
        if len(self.house.buyers.trades) < ORDERS_MAX:
            self.house.buyers.order(*basket, is_paid=is_paid, detail="待定" if is_vague else "文三路1号")

    def wish(self, which, wish):
        self._change(which, lambda buyers, trade: buyers.wish(trade, wish))

    def wish_of_line(self, which, line, wish):
        self._change(which, lambda buyers, trade: buyers.wish_of_line(trade, line, wish))

    def _change(self, which, change):
        buyers = self.house.buyers
        # Where the platform does not let them, nothing happens.
        with suppress(Refused):
            if buyers.trades:
                change(buyers, buyers.trades[which % len(buyers.trades)])

    def scan(self, which, kind):
        self.house.scan(which, kind.removeprefix("other "), is_other=kind.startswith("other "))

    def warehouse_works(self, which, how):
        self.house.floors.work(which, how, self.house.clock.now)

    def answer_is_lost(self, which, what):
        self.house.floors.lose_answers(which, what)

    def courier_tells(self, which, what, age_s):
        self.house.parcels.tell(which, what, age_s, self.house.clock.now)

    def day_passes(self, more_s):
        """Until a day after the last signing, to the second, or a second less."""
        signed_at = self.house.parcels.last_signed_at()
        if signed_at is not None:
            self.house.wait_until(signed_at + DAY_S + more_s)

    def cancel_unrecorded(self, which):
        self.house.cancel_unrecorded(which)

    def work(self, step):
        self.house.run(step)

    def work_through(self):
        self.house.run_all()

    def die(self, point, basket=()):
        """A worker dies with an order in its hands that has come just so far."""
        if len(self.house.buyers.trades) < ORDERS_MAX:
            self.house.bring_order_to(point.partition(".")[0], *basket)
        self.house.die_at(point)

    def meet_trouble(self, where, how):
        self.house.corridor.troubles.append((where, how))

    def let_time_pass(self):
        self.house.pass_time()
        self.house.ask_silent_warehouses()

    @invariant()
    def invariants_hold(self):
        assert self.house.breaches() == []

    @invariant()
    def a_package_has_one_living_waybill(self):
        assert self.house.doubled() == []

    @invariant()
    def no_piece_goes_twice(self):
        """Nor goes one that nobody wants, as platform and courier saw it at that moment."""
        assert self.house.witness.wrong_with_pieces() == []

    @invariant()
    def the_ledgers_agree_on_stock_and_bookings(self):
        """What a platform was told may be recorded later; what we call booked is booked, and alive.

        Of a fulfillment order a warehouse has one document, and nothing leaves that no document tells of.
        """
        comparison = self.house.comparison()
        assert comparison.oversold == 0
        always = ("not alive at the courier", "documents at the warehouses", "was not told of it")
        assert [one for one in comparison.contradictions if any(words in one for words in always)] == []

    @invariant()
    def orders_go_forward_and_end_in_time(self):
        assert self.house.seen.wrongs == []

    @invariant()
    def a_buyer_hears_once_of_each_event(self):
        assert self.house.told_twice() == []

    def teardown(self):
        self.house.settle()
        comparison = self.house.comparison()
        assert comparison.agrees, comparison
        assert set(comparison.verdicts) <= ENDED, comparison
        assert self.house.breaches() == []
        assert self.house.told_twice() == []
        assert self.house.forgotten() == []
        assert self.house.unaccounted() == []
        assert self.house.held_without_reason() == []
        assert self.house.witness.wrong_with_pieces() == []
        assert unknown_living(self.house) == []
        for _ in range(2):
            self.day_passes(0.0)
        self.orders_go_forward_and_end_in_time()
        assert self.house.seen.not_completed() == []
        REACHED.update(self.house.seen.reached())


def closes_before_the_recovery(life):
    """Once drawn: the courier books, the worker dies, and the buyer closes the order before anybody asks."""
    life.opens(forgets=True)
    life.die("label.booked")
    life.wish(0, "pays")
    life.wish(0, "closes")
    life.work_through()


def test_a_booking_is_known_though_its_order_closes_before_the_recovery(make_house):
    life = Life(make_house())
    closes_before_the_recovery(life)
    life.invariants_hold()
    life.teardown()
    assert life.house.rows("SELECT status FROM shipment") == [("voided",)]
    assert life.house.rows("SELECT code FROM hold WHERE released_at IS NULL ORDER BY code") == []
    assert life.house.rows("SELECT state FROM fulfillment_order") == [("closed",)]


def test_control_left_alone_its_waybill_lives_and_nobody_knows_it(make_house, monkeypatch):
    known = label.load_unlabelled

    def forget_who_is_stopped(tx, ids):
        return [one if one.state == "allocated" else replace(one, is_asked_about=False) for one in known(tx, ids)]

    monkeypatch.setattr(label, "load_unlabelled", forget_who_is_stopped)
    life = Life(make_house())
    closes_before_the_recovery(life)
    for _ in range(3):
        life.let_time_pass()
        life.work_through()
    assert len(unknown_living(life.house)) == 1
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        life.teardown()


def test_a_booking_that_was_cancelled_before_the_recovery_is_made_again(make_house):
    """Once drawn: a round that only finds the shipment dead has moved something."""
    life = Life(make_house())
    life.opens(forgets=True)
    life.die("label.decide")
    life.cancel_unrecorded(0)
    life.let_time_pass()
    life.teardown()
    assert life.house.rows("SELECT status FROM shipment ORDER BY generation") == [("voided",), ("booked",)]


def test_what_is_left_of_a_labelled_part_is_told(make_house):
    """Once drawn: a line that was refunded after the label kept its whole package from being told."""
    life = Life(make_house())
    life.opens(forgets=True, first=[[("FIRST", 1), ("BOTH-A", 1), ("SECOND", 1)]])
    life.work_through()
    life.wish_of_line(0, 1, "pay_refund")
    life.work_through()
    life.an_operator_moves("release_all", 0)
    life.teardown()
    [trade] = life.house.buyers.trades
    told = [oid for said in life.house.world.ledger.write_backs for oid in said.line_ids]
    assert sorted(told) == [trade.line_ids[0], trade.line_ids[2]]
    assert life.house.rows("SELECT DISTINCT status FROM writeback") == [("confirmed",)]


def test_an_order_that_is_refunded_after_its_label_is_stopped_and_told_to_nobody(make_house):
    """Once drawn: the platform was told again and again of an order that it had closed."""
    life = Life(make_house())
    life.opens(forgets=True, first=[[("FIRST", 3)]])
    life.work_through()
    life.wish(0, "is_refunded")
    life.work_through()
    life.an_operator_moves("release_all", 0)
    life.teardown()
    assert life.house.rows("SELECT count(*) FROM dead_letter") == [(0,)]
    assert life.house.rows("SELECT state FROM fulfillment_order") == [("closed",)]
    assert life.house.rows("SELECT code FROM hold WHERE released_at IS NULL") == []
    assert life.house.world.ledger.write_backs == []


@pytest.mark.parametrize("wish", ["close_lines", "pay_refund", "ship_by_hand"])
def test_a_released_hold_buys_no_label_for_what_nobody_wants(make_house, wish):
    """Once drawn: a worker died before its call, a line of the package went, and a person released the hold of it."""
    life = Life(make_house())
    life.opens(forgets=False)
    life.die("label.intended", [("FIRST", 2), ("SECOND", 1)])
    life.wish_of_line(0, 0, wish)
    life.work("pull")
    life.work("normalize")
    assert len(life.house.open_holds()) > 0
    life.an_operator_moves("release_all", 0)
    life.teardown()
    assert len(life.house.world.waybills.by_number) == 1


def test_a_part_that_waited_is_not_held_for_what_the_other_part_has_shipped(make_house):
    """Once drawn: review took our own shipment of the other lines for somebody else's."""
    life = Life(make_house())
    rules = {"refund_asked_holds": RefundScope.LINES}
    life.opens(forgets=True, rules=rules, first=[[("SECOND", 3), ("FIRST", 2)]])
    # The platform pays nothing back by itself, so that the buyer can take the wish back.
    life.house.world.platform.desk.mood.refuse_answers = 100
    life.wish_of_line(0, 1, "ask_refund")
    life.house.settle()
    assert life.house.rows("SELECT status FROM writeback") == [("confirmed",)]
    life.wish_of_line(0, 1, "withdraw_refund")
    life.teardown()
    assert life.house.rows("SELECT status FROM writeback") == [("confirmed",)] * 2
    assert life.house.open_holds() == []


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
    print(dict(sorted(REACHED.items())))  # noqa: T201 - the report of a long run


def test_planted_harms_are_seen(make_house):
    life = Life(make_house())
    life.opens(forgets=False)
    life.die("label.booked")
    life.a_package_has_one_living_waybill()
    life.invariants_hold()
    [(reference,)] = life.house.rows("SELECT reference FROM shipment")
    life.house.buyers.pull_lever("plant_waybill", reference=reference)
    with pytest.raises(AssertionError):
        life.a_package_has_one_living_waybill()
    life.house.rows("DELETE FROM work WHERE step = 'label'")
    with pytest.raises(AssertionError):
        life.invariants_hold()
    with pytest.raises(AssertionError):
        life.teardown()
