"""Which parts of an order a change is about, and the refusal that says what to do instead."""

from dataclasses import replace

import pytest

from domain.errors import FulfilmentError
from domain.holds import HoldCode
from domain.order_changes import (
    OrderPart,
    PlannedAct,
    may_release,
    plan,
    to_close,
    to_confirm,
    to_correct,
    to_relabel,
    to_reroute,
    to_split,
    to_stop,
    to_unsplit,
    to_withdraw,
)
from domain.states import State
from domain.stops import StopGoal

TWO = {"a": 1, "b": 2}
RESERVED = OrderPart(id=11, order_id=1, number=1, state=State.PAID, at=State.PAID, lines=TWO)
ROUTED = replace(RESERVED, state=State.ALLOCATED, at=State.ALLOCATED, location="east")
LABELLED = replace(ROUTED, waybills=("SF1",))
CALLED = replace(ROUTED, is_called=True)
PLACED = replace(LABELLED, is_placed=True)
PACKED = replace(PLACED, state=State.PACKED, at=State.PACKED)
HANDED_OVER = replace(PACKED, is_consumed=True, waybills=())
TRAVELS = replace(HANDED_OVER, state=State.IN_TRANSIT, at=State.IN_TRANSIT)
RETURNS = replace(TRAVELS, state=State.AFTER_SALE, at=State.AFTER_SALE)
ENDED = replace(RESERVED, state=State.CLOSED, at=State.CLOSED)
STOPPING = replace(PLACED, state=State.ON_HOLD, stop_asker="person", stop_goal="close")
OF_PLATFORM = replace(STOPPING, stop_asker="platform")
REBUILDING = replace(STOPPING, stop_goal="rebuild")
SECOND = replace(RESERVED, id=12, number=2, lines={"c": 1})


def code_of(choose, *given):
    with pytest.raises(FulfilmentError) as caught:
        choose(*given)
    assert caught.value.facts["order"] == 1
    return caught.value.code


@pytest.mark.parametrize("part", [RESERVED, ROUTED, LABELLED, CALLED, PLACED, PACKED, HANDED_OVER, TRAVELS, REBUILDING])
def test_a_stop_is_asked_for_wherever_the_goods_are(part):
    assert to_stop([part]) == [part]


@pytest.mark.parametrize(
    ("parts", "code"),
    [([ENDED], "order_ended"), ([RETURNS], "order_comes_back"), ([STOPPING], "stop_open")],
)
def test_what_has_ended_or_is_being_stopped_is_not_stopped_again(parts, code):
    assert code_of(to_stop, parts) == code


def test_a_stop_of_lines_is_about_the_parts_that_have_them():
    assert to_stop([LABELLED, SECOND], ["c"]) == [SECOND]
    assert to_stop([STOPPING, SECOND], ["a"]) == [STOPPING]
    assert code_of(to_stop, [LABELLED], ["c"]) == "lines_not_here"


def test_only_parts_that_are_not_stopping_yet_are_stopped():
    assert to_stop([STOPPING, SECOND, ENDED]) == [SECOND]


@pytest.mark.parametrize("part", [RESERVED, ROUTED, RETURNS])
def test_what_nobody_outside_has_is_closed(part):
    assert to_close([part, ENDED]) == [part]


@pytest.mark.parametrize("part", [LABELLED, CALLED, PLACED, PACKED, HANDED_OVER, TRAVELS])
def test_what_somebody_outside_has_is_stopped_instead_of_closed(part):
    assert code_of(to_close, [RESERVED, part]) == "order_bound"


def test_a_close_does_not_pass_by_a_stop():
    assert code_of(to_close, [STOPPING]) == "stop_open"
    assert code_of(to_close, [ENDED]) == "order_ended"


def test_a_person_takes_back_what_a_person_has_asked_for():
    assert to_withdraw([STOPPING, SECOND]) == [STOPPING]
    assert code_of(to_withdraw, [OF_PLATFORM]) == "stop_not_ours"
    assert code_of(to_withdraw, [LABELLED]) == "stop_not_open"


def test_goods_are_confirmed_of_an_open_stop_in_the_house():
    assert to_confirm([STOPPING, SECOND]) == [STOPPING]
    assert code_of(to_confirm, [LABELLED]) == "stop_not_open"
    assert code_of(to_confirm, [replace(STOPPING, is_consumed=True)]) == "order_left"


@pytest.mark.parametrize("part", [LABELLED, CALLED, PLACED, PACKED])
def test_what_has_a_label_or_may_have_one_gets_another(part):
    assert to_relabel([part, ENDED]) == [part]


@pytest.mark.parametrize("choose", [to_relabel, to_reroute, to_correct])
@pytest.mark.parametrize(
    ("part", "code"),
    [(ENDED, "order_ended"), (HANDED_OVER, "order_left"), (TRAVELS, "order_left"), (STOPPING, "stop_open")],
)
def test_what_has_left_or_is_being_stopped_is_not_changed(choose, part, code):
    assert code_of(choose, [part]) == code


def test_what_has_nothing_to_replace_says_so():
    assert code_of(to_relabel, [ROUTED]) == "nothing_to_relabel"
    assert code_of(to_reroute, [RESERVED]) == "nothing_to_reroute"
    assert to_reroute([ROUTED, RESERVED]) == [ROUTED]
    assert to_correct([RESERVED]) == [RESERVED]


def test_lines_are_split_off_before_the_routing():
    assert to_split([LABELLED, replace(SECOND, lines=TWO)], ["a"]).id == SECOND.id


@pytest.mark.parametrize(
    ("parts", "lines", "code"),
    [
        ([ROUTED], ["a"], "order_routed"),
        ([CALLED], ["a"], "order_routed"),
        ([RESERVED], ["c"], "lines_not_here"),
        ([RESERVED], ["a", "b"], "nothing_left_behind"),
        ([TRAVELS], ["a"], "order_left"),
    ],
)
def test_a_split_that_cannot_be_says_why(parts, lines, code):
    assert code_of(to_split, parts, lines) == code


def test_parts_are_joined_before_the_routing():
    assert to_unsplit([SECOND, LABELLED, RESERVED]) == (RESERVED, [SECOND])
    assert code_of(to_unsplit, [RESERVED]) == "not_split"
    assert code_of(to_unsplit, [RESERVED, LABELLED]) == "order_routed"


@pytest.mark.parametrize(
    ("part", "acts"),
    [
        (RESERVED, (PlannedAct.CLOSE,)),
        (LABELLED, (PlannedAct.VOID, PlannedAct.CLOSE)),
        (CALLED, (PlannedAct.SETTLE, PlannedAct.CLOSE)),
        (PLACED, (PlannedAct.RECALL, PlannedAct.VOID, PlannedAct.CLOSE)),
        (replace(PACKED, is_placed=False), (PlannedAct.RECALL, PlannedAct.VOID, PlannedAct.CLOSE)),
        (HANDED_OVER, (PlannedAct.INTERCEPT,)),
    ],
)
def test_a_stop_does_first_what_keeps_the_goods_in_the_house(part, acts):
    assert plan(part, StopGoal.CLOSE) == acts


def test_made_anew_it_is_not_closed():
    assert plan(LABELLED, StopGoal.REBUILD) == (PlannedAct.VOID, PlannedAct.REBUILD)


@pytest.mark.parametrize(
    ("code", "part", "refusal"),
    [
        (HoldCode.REFUND_REQUESTED, RESERVED, "refund_open"),
        (HoldCode.STOPPING, STOPPING, "stop_open"),
        (HoldCode.UNWANTED_WAYBILL, LABELLED, "waybill_lives"),
        (HoldCode.BUYER_CHANGED, LABELLED, "label_outdated"),
        (HoldCode.BUYER_CHANGED, CALLED, "label_outdated"),
    ],
)
def test_a_release_that_would_ship_what_the_hold_is_about_is_refused(code, part, refusal):
    assert code_of(may_release, code, [part], ["receiver"]) == refusal


@pytest.mark.parametrize(
    ("code", "part", "changed"),
    [
        (HoldCode.ADDRESS_VAGUE, LABELLED, []),
        (HoldCode.UNWANTED_WAYBILL, ROUTED, []),
        (HoldCode.UNWANTED_WAYBILL, replace(LABELLED, refused=("SF1",)), []),
        (HoldCode.BUYER_CHANGED, ROUTED, ["receiver"]),
        (HoldCode.BUYER_CHANGED, LABELLED, ["sums"]),
    ],
)
def test_other_holds_are_released(code, part, changed):
    may_release(code, [part], changed)


def test_a_refund_is_shipped_by_an_act_of_its_own():
    may_release(HoldCode.REFUND_REQUESTED, [RESERVED], despite_refund=True)


def test_what_its_platform_pays_for_as_stopped_is_never_released():
    told = replace(RESERVED, is_told_stopped=True)
    assert (
        code_of(lambda parts: may_release(HoldCode.REFUND_REQUESTED, parts, despite_refund=True), [told])
        == "stopped_told"
    )
    may_release(HoldCode.ADDRESS_VAGUE, [told])
