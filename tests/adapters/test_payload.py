import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.china_time import cst_text, read_cst
from adapters.payload import PAYLOAD_MAX_BYTES, Fields, read_answer, read_payload, tidy
from domain.errors import Malformed, Poison
from domain.money import Money


def poison_of(read, *args) -> Poison:
    with pytest.raises(Poison) as caught:
        read(*args)
    return caught.value


def end_of(read, *args) -> str:
    try:
        read(*args)
    except Poison as error:
        return error.code
    return "read"


TREE = {"a": [1, -2, 3.5, "x\u00e9\u4e2d\U0001f4e6", None, True, {"b": {}}], "c": "tail"}
WHOLE = json.dumps(TREE, ensure_ascii=False).encode()


@pytest.mark.parametrize("cut", range(1, len(WHOLE)))
def test_json_cut_anywhere_is_truncated(cut):
    assert poison_of(read_payload, WHOLE[:cut]).code == "payload_truncated"


@pytest.mark.parametrize(
    "body", [b"<html/>", b"{} x", b'{"a":NaN}', b"{'a':1}", b'{"a":"\xff"}', b"\xff\xfe{", b'{"a" 1}', b"tru3"]
)
def test_what_is_not_json_is_unreadable(body):
    assert poison_of(read_payload, body).code == "payload_unreadable"


@pytest.mark.parametrize(
    "body",
    [b"[" * 4_000_000, b'{"a":' * 1_000_000, b'{"a":' + b"9" * 5_000_000 + b"}", b"-" + b"1" * 10_000],
    ids=["lists", "objects", "huge number", "long number"],
)
def test_bombs_end_quickly(body):
    assert poison_of(read_payload, body).code in {"payload_unreadable", "payload_truncated"}


def test_an_oversize_payload_is_not_parsed():
    error = poison_of(read_payload, b"x" * (PAYLOAD_MAX_BYTES + 1))

    assert (error.code, error.facts["limit_bytes"]) == ("payload_too_large", PAYLOAD_MAX_BYTES)
    assert len(read_payload(b'"' + b"x" * (PAYLOAD_MAX_BYTES - 2) + b'"')) == PAYLOAD_MAX_BYTES - 2


def test_fractions_stay_exact_and_a_byte_order_mark_is_skipped():
    assert read_payload(b'\xef\xbb\xbf{"a":323.58}') == {"a": Decimal("323.58")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (rb'"cut \ud83d"', "cut \ufffd"),
        (rb'"cut \udce6 x"', "cut \ufffd x"),
        (rb'"\ud83d\ud83d\udce6"', "\ufffd\U0001f4e6"),
        (rb'"whole \ud83d\udce6"', "whole \U0001f4e6"),
    ],
)
def test_half_an_emoji_does_not_cost_the_order(text, expected):
    assert read_payload(text) == expected


@given(st.binary(max_size=200))
def test_any_bytes_end_in_json_or_poison(body):
    assert end_of(read_payload, body) in {"read", "payload_unreadable", "payload_truncated"}


def test_an_answer_must_be_an_object():
    assert read_answer(b'{"a":1}') == {"a": 1}
    with pytest.raises(Malformed):
        read_answer(b"[1]")


def fields(**tree) -> Fields:
    return Fields(tree, "trade")


def test_faults_name_the_field_and_the_asked_class():
    with pytest.raises(Malformed) as caught:
        Fields({}, "answer", Malformed).text("tid")
    assert (caught.value.code, caught.value.facts) == ("field_missing", {"field": "answer.tid"})


@pytest.mark.parametrize(("value", "read"), [(" x\t", "x"), (12, "12"), (2900000000000000001, "2900000000000000001")])
def test_texts(value, read):
    assert fields(a=value).text("a") == read


@pytest.mark.parametrize("value", [None, "", "   ", "\x00"])
def test_an_empty_text_is_missing(value):
    assert poison_of(fields(a=value).text, "a").code == "field_missing"
    assert fields(a=value).text_or("a", "usual") == "usual"


@pytest.mark.parametrize("value", [True, Decimal("1.5"), [], {"x": 1}])
def test_other_types_are_no_text(value):
    assert poison_of(fields(a=value).text, "a").code == "field_invalid"


@pytest.mark.parametrize(
    ("value", "minor"), [("323.58", 32358), (" 1.5 ", 150), ("0", 0), (12, 1200), (Decimal("0.10"), 10), ("1.500", 150)]
)
def test_amounts(value, minor):
    assert fields(a=value).amount("a", "CNY") == Money(minor, "CNY")


@pytest.mark.parametrize(
    "value",
    [
        *("-1.00", "1,5", "1e3", "1_0", "NaN", "Infinity", "¥5", "５", "0.001", "0x1", "9" * 13, "9" * 100_000),
        *(True, [], Decimal("1E+9999"), 10**30),
    ],
)
def test_what_is_no_amount_is_invalid(value):
    assert poison_of(fields(a=value).amount, "a", "CNY").code == "field_invalid"


@given(st.integers(min_value=0, max_value=10**13))
def test_every_printed_amount_reads_back(minor):
    assert fields(a=f"{minor // 100}.{minor % 100:02d}").amount("a", "CNY").minor == minor


@pytest.mark.parametrize("value", [0, "0", 101, "1.0", "", True, "١", [1], "9" * 5000])
def test_whole_numbers_keep_to_their_range(value):
    code = "field_missing" if value == "" else "field_invalid"
    assert poison_of(fields(a=value).whole, "a", 1, 100).code == code
    assert fields(a=" 7 ").whole("a", 1, 100) == 7


@pytest.mark.parametrize(
    ("tree", "oids"),
    [
        ({"order": [{"oid": 1}, {"oid": 2}]}, ["1", "2"]),
        ([{"oid": 1}], ["1"]),
        ({"order": {"oid": 1}}, ["1"]),
        ({"oid": 1}, ["1"]),
        (None, []),
        ({}, []),
        ("", []),
        ({"order": []}, []),
        ({"order": None}, []),
    ],
)
def test_a_list_is_read_in_every_shape(tree, oids):
    assert [item.text("oid") for item in fields(orders=tree).listed("orders", "order")] == oids


def test_an_item_that_is_no_object_is_invalid():
    assert poison_of(fields(orders=[1]).listed, "orders").facts == {"field": "trade.orders[0]"}


@pytest.mark.parametrize("text", ["2026-11-22", "2026-11-22T10:00:00", "0000-00-00 00:00:00", "2026-11-22 10:00:0x"])
def test_other_times_are_invalid(text):
    assert poison_of(fields(a=text).moment, "a", read_cst).code == "field_invalid"


@given(st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1)))  # noqa: DTZ001 - zone added below
def test_times_read_back(moment):
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    assert read_cst(cst_text(moment)) == moment


def test_tidy():
    assert tidy(" 周末\u0000配送\r\n ") == "周末 配送"
