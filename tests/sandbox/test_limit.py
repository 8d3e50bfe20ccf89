"""Limits and locked doors, as the levers set them."""

import json

import pytest

from domain.errors import Refused
from sandbox.control import pull
from sandbox.limit import OverLimitError

CREATE, SEARCH = "EXP_RECE_CREATE_ORDER", "EXP_RECE_SEARCH_ORDER_RESP"
COMPANIES = ("taobao.logistics.companies.get", {"fields": "code"})


@pytest.fixture
def do(world, now):
    return lambda **fields: pull(world, json.dumps(fields).encode(), now)


def test_the_courier_takes_so_many_calls_and_refuses_the_rest_by_its_code(world, do, sf, booking):
    do(do="limit_calls", who="sf", calls=1, says="code")
    assert sf(world, CREATE, booking(world))[1]["success"]
    assert sf(world, CREATE, booking(world, "REF-2-1"))[0]["apiResultCode"] == "A1005"
    do(do="lift_limit", who="sf")
    assert sf(world, CREATE, booking(world, "REF-2-1"))[1]["success"]
    assert world.ledger.refused == {f"{CREATE} A1005": 1}


def test_http_may_refuse_for_both(world, do, sf, booking, top):
    for who in ("sf", "taobao"):
        do(do="limit_calls", who=who, calls=0, says="http", retry_after_s=2)
    with pytest.raises(OverLimitError) as by_courier:
        sf(world, CREATE, booking(world))
    with pytest.raises(OverLimitError) as by_platform:
        top(world, COMPANIES[0], **COMPANIES[1])
    assert by_courier.value.retry_after_s == by_platform.value.retry_after_s == 2
    assert not world.waybills.by_number
    assert world.ledger.refused == {f"{CREATE} 429": 1, f"{COMPANIES[0]} 429": 1}


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        ({"says": "code", "retry_after_s": 7}, "This ban will last for 7 more seconds"),
        ({"says": "day"}, "The daily quota of this app is used up"),
    ],
)
def test_the_platform_tells_the_length_of_a_ban_in_its_text(world, do, top, limit, text):
    do(do="limit_calls", who="taobao", calls=1, **limit)
    assert "error_response" not in top(world, COMPANIES[0], **COMPANIES[1])
    error = top(world, COMPANIES[0], **COMPANIES[1])["error_response"]
    assert (error["code"], error["sub_msg"]) == (7, text)


def test_who_is_locked_out_is_let_in_again(world, do, sf, booking, top):
    for who in ("sf", "shop-1"):
        do(do="lock_out", who=who)
    assert sf(world, CREATE, booking(world))[0]["apiResultCode"] == "A1004"
    assert top(world, COMPANIES[0], **COMPANIES[1])["error_response"]["code"] == 27
    for who in ("sf", "shop-1"):
        do(do="lock_out", who=who, is_out=False)
    assert sf(world, CREATE, booking(world))[1]["success"]
    assert "error_response" not in top(world, COMPANIES[0], **COMPANIES[1])


def test_a_look_up_may_lag_behind_a_booking(world, do, sf, booking, now):
    do(do="set_courier", look_up_lag_s=5)
    sf(world, CREATE, booking(world))
    asked = {"orderId": "REF-1-1"}
    assert sf(world, SEARCH, asked)[1]["errorCode"] == "8018"
    assert sf(world, CREATE, booking(world))[1]["errorCode"] == "8016", "it knows its references all the same"
    assert sf(world, SEARCH, asked, now=now + 5)[1]["success"]


@pytest.mark.parametrize(
    "command",
    [
        {"do": "limit_calls", "who": "sf", "calls": 1, "says": "day"},
        {"do": "limit_calls", "who": "nobody", "calls": 1, "says": "http"},
        {"do": "limit_calls", "who": "sf", "calls": 1, "says": "nothing"},
        {"do": "lock_out", "who": "nowhere"},
    ],
)
def test_limits_that_make_no_sense(do, command):
    with pytest.raises(Refused, match="control_invalid"):
        do(**command)
