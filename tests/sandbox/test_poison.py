"""One order that its own server cannot stand."""

import json

import msgspec
import pytest

from sandbox.control import pull
from sandbox.poison import ForbiddenError

CREATE, FULL = "EXP_RECE_CREATE_ORDER", "taobao.trade.fullinfo.get"


@pytest.fixture
def do(world, now):
    return lambda **fields: pull(world, json.dumps(fields).encode(), now)


def test_a_firewall_refuses_one_text_and_lets_others_through(world, do, sf, booking):
    do(do="set_firewall", marks=["REF-2"])
    with pytest.raises(ForbiddenError):
        sf(world, CREATE, booking(world, "REF-2-1"))
    assert sf(world, CREATE, booking(world, "REF-1-1"))[1]["success"]
    assert world.ledger.refused == {f"{CREATE} 403": 1}


def test_one_trade_cannot_be_asked_for_and_its_neighbour_can(world, do, top, to_ship):
    first, second = to_ship(world)[:2]
    shown = {"fields": "tid,status", "shop": first.order.shop}
    do(do="spoil_order", tid=str(first.order.tid), how="argument")
    assert top(world, FULL, tid=str(first.order.tid), **shown)["error_response"]["code"] == 41
    answer = top(world, FULL, tid=str(second.order.tid), **{**shown, "shop": second.order.shop})
    assert "error_response" not in answer


def test_the_answer_about_one_trade_is_torn(world, do, form_of, to_ship, now):
    first = to_ship(world)[0]
    do(do="spoil_order", tid=str(first.order.tid), how="torn")
    form = form_of(FULL, first.order.shop, fields="tid,status", tid=str(first.order.tid))
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(world.platform.answer(form, now))


def test_the_answer_about_one_trade_is_a_page_for_people(world, do, form_of, to_ship, now):
    first, second = to_ship(world)[:2]
    do(do="spoil_order", tid=str(first.order.tid), how="page")
    form = form_of(FULL, first.order.shop, fields="tid,status", tid=str(first.order.tid))
    assert world.platform.answer(form, now).startswith(b"<html>")
    form = form_of(FULL, second.order.shop, fields="tid,status", tid=str(second.order.tid))
    assert msgspec.json.decode(world.platform.answer(form, now))
