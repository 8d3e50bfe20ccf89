import json

import pytest

from sandbox.top import parse_time

PULL = "taobao.trades.sold.increment.get"
FULLINFO = "taobao.trade.fullinfo.get"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"app_key": None}, 28),
        ({"app_key": "87654321"}, 29),
        ({"timestamp": None}, 30),
        ({"timestamp": "yesterday"}, 31),
        ({"timestamp": "2020-01-01 00:00:00"}, 31),
        ({"v": None}, 32),
        ({"v": "3.0"}, 34),
        ({"format": None}, 23),
        ({"format": "xml"}, 23),
        ({"sign": ""}, 24),
        ({"sign": "0" * 64}, 25),
        ({"sign_method": "rot13"}, 25),
        ({"session": None}, 26),
        ({"session": "6100stolen"}, 27),
        ({"fields": None}, 40),
        ({"page_no": "0"}, 41),
        ({"page_size": "101"}, 41),
        ({"start_modified": "2026-13-01 00:00:00"}, 41),
        ({"start_modified": "2026-09-01 00:00:00", "end_modified": "2026-09-02 00:00:01"}, 41),
        ({"start_modified": "2026-09-02 00:00:00", "end_modified": "2026-09-01 00:00:00"}, 41),
    ],
)
def test_documented_error_codes(world, top, params, code):
    whole = {
        "fields": "tid",
        "start_modified": "2026-09-01 00:00:00",
        "end_modified": "2026-09-01 12:00:00",
    } | params
    error = top(world, PULL, **whole)["error_response"]
    assert error["code"] == code
    assert sum(world.ledger.refused.values()) == 1


def test_method_missing_or_unknown(world, top):
    assert top(world, "")["error_response"]["code"] == 21
    assert top(world, "taobao.trade.delete")["error_response"]["code"] == 22


def test_a_changed_parameter_breaks_the_signature(world, form_of, now):
    form = form_of(FULLINFO, fields="tid", tid="1")
    answer = json.loads(world.platform.answer(form | {"tid": "2"}, now))
    assert answer["error_response"]["code"] == 25


@pytest.mark.parametrize(("minutes", "is_taken"), [(9, True), (11, False), (-9, True), (-11, False)])
def test_the_clock_may_be_ten_minutes_off(world, form_of, now, minutes, is_taken):
    form = form_of("taobao.logistics.companies.get", now=now + 60 * minutes, fields="code")
    assert ("error_response" not in json.loads(world.platform.answer(form, now))) is is_taken


def test_times_are_chinese_standard_time():
    assert parse_time("1970-01-01 08:00:01") == 1
    assert parse_time("1970-01-01T08:00:01") is None
    assert parse_time("1970-01-01 08:00:61") is None
