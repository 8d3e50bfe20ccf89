import re
from dataclasses import replace

import pytest

from domain.holds import HoldCode
from domain.states import State
from domain.steps import Milestone, Step, Steps, Subject
from infra.process.steps import STEPS

FIRST = Step(name="first", subject=Subject.FULFILLMENT_ORDER, leads_to=("second",))
SECOND = Step(name="second", subject=Subject.PACKAGE, is_remote=True, leads_to=("second", "third"))
THIRD = Step(name="third", subject=Subject.NOTICE, is_remote=True)


def test_the_map_stands_in_the_order_of_the_chain_whatever_order_it_is_declared_in():
    assert list(Steps([THIRD, SECOND, FIRST])) == ["first", "second", "third"]


def test_steps_that_only_lead_to_each_other_are_on_the_map():
    circle = [replace(FIRST, leads_to=("second",)), replace(SECOND, leads_to=("first",))]
    assert list(Steps(circle)) == ["first", "second"]


@pytest.mark.parametrize(
    ("declared", "fault"),
    [
        ([THIRD, THIRD], "two steps have one name: third, third"),
        ([FIRST], "first leads to second, which is no step"),
        (
            [
                replace(THIRD, resumes=frozenset({State.PAID})),
                Step(name="other", subject=Subject.SHOP, resumes=frozenset({State.PAID})),
            ],
            "other and third both resume paid",
        ),
        (
            [replace(THIRD, promises_stock=True), Step(name="other", subject=Subject.SHOP, promises_stock=True)],
            "other and third both promise stock",
        ),
    ],
)
def test_a_map_that_contradicts_itself_is_refused(declared, fault):
    with pytest.raises(ValueError, match=re.escape(fault)):
        Steps(declared)


def test_several_steps_resume_a_state_when_each_says_what_it_has_to_do():
    asks = {"resumes": frozenset({State.PAID}), "open_subjects": lambda _tx, _ids: []}
    steps = Steps([replace(THIRD, **asks), Step(name="other", subject=Subject.SHOP, **asks)])
    assert set(steps.leads_on(State.PAID)) == {"third", "other"}
    assert steps.leads_on(State.PACKED) == ()


def test_a_step_without_a_group_has_the_one_of_its_kind():
    assert (FIRST.worker_group, SECOND.worker_group) == ("order", "tell")
    assert replace(FIRST, group="label").worker_group == "label"


def test_a_step_has_the_failpoints_of_its_kind_and_its_own():
    assert FIRST.points()[:2] == ("first.before_claim", "first.claimed")
    assert {"second.before_call", "second.sent"} <= set(replace(SECOND, failpoints=("sent",)).points())


def test_the_steps_of_orders_are_these_in_this_order():
    assert list(STEPS) == [
        "pull",
        "normalize",
        "reserve",
        "review",
        "stop",
        "route",
        "label",
        "dispatch",
        "recall",
        "void",
        "warehouse",
        "writeback",
        "notify",
        "track",
    ]


def test_every_step_but_the_first_and_the_feed_of_scans_is_led_to():
    led_to = {name for step in STEPS.values() for name in step.leads_to}
    # A location's event feed is polled by its own clock.
    assert set(STEPS) - led_to <= {"pull", "warehouse"}


def test_local_steps_call_nobody():
    assert {name for name, step in STEPS.items() if not step.is_remote} == {
        "normalize",
        "reserve",
        "review",
        "route",
        "stop",
    }


def test_only_what_comes_after_the_hand_over_or_ends_an_order_stands_beside_it():
    beside = {name for name, step in STEPS.items() if not step.stops_order}
    assert beside == {"writeback", "notify", "track", "recall", "void"}


def test_each_stretch_of_the_way_begins_and_ends_with_one_step():
    begins = [step.begins for step in STEPS.values() if step.begins]
    ends = [step.ends for step in STEPS.values() if step.ends]
    assert begins == [Milestone.STORED, Milestone.ALLOCATED, Milestone.HANDED_OVER]
    assert ends == [Milestone.ALLOCATED, Milestone.LABELLED, Milestone.WRITTEN_BACK]


def test_a_refusal_holds_the_order_where_a_person_can_settle_it():
    refused = {name: (step.refused_hold, step.conflict_hold) for name, step in STEPS.items() if step.refused_hold}
    assert refused == {
        "label": (HoldCode.WAYBILL_ERROR, HoldCode.WAYBILL_ERROR),
        "dispatch": (HoldCode.DISPATCH_ERROR, HoldCode.DISPATCH_ERROR),
        "writeback": (HoldCode.WRITEBACK_REFUSED, HoldCode.SHIPPED_ELSEWHERE),
    }
