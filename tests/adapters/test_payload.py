import contextlib
import json
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.china_time import cst_text, read_cst
from adapters.payload import (
    KEY_MAX,
    NESTING_MAX,
    PAYLOAD_MAX_BYTES,
    SAID_MAX,
    TEXT_MAX,
    Fields,
    read_answer,
    read_page,
    read_payload,
    tidy,
)
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
    assert end_of(read_payload, body) in {"payload_unreadable", "payload_truncated", "read"}


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


@pytest.mark.parametrize(
    "number",
    [
        b"1e9999999999999999999999",
        b"-1e-9999999999999999999999",
        b"1E+400",
        b"0e99999",
        b"1." + b"3" * 500,
        b"9" * 5_000,
    ],
)
def test_a_number_that_nothing_can_hold_stops_nothing_and_is_read_by_nobody(number):
    tree = read_payload(b'{"a":' + number + b',"b":1.5}')

    assert Fields(tree).amount("b", "CNY") == Money(150, "CNY")
    read = Fields(tree)
    for refuse in (
        lambda: read.text("a"),
        lambda: read.key("a"),
        lambda: read.whole("a", 0, 10),
        lambda: read.amount("a", "CNY"),
        lambda: read.flag("a"),
        lambda: read.moment("a", read_cst),
        lambda: read.listed("a"),
        lambda: read.child("a"),
    ):
        assert poison_of(refuse).code == "field_invalid"
    assert read.said("a") == ""
    assert msgspec.json.decode(msgspec.json.encode(tree, order="sorted")), "what was read can be written again"


def test_plain_decimal_alone_raises_outside_the_tree():
    """The control: what a plain reader does with one of them."""
    with pytest.raises(InvalidOperation):
        msgspec.json.Decoder(float_hook=Decimal).decode(b'{"a":1e9999999999999999999999}')


def test_two_odd_numbers_are_two_contents():
    assert read_payload(b"[1e999]") != read_payload(b"[1e998]")
    assert read_payload(b"[0." + b"1" * 60 + b"]") != read_payload(b"[0." + b"1" * 61 + b"]")


@pytest.mark.parametrize("opener", [b"[", b'{"a":'])
@pytest.mark.parametrize("depth", [1, 63, 64, 65, 200, 900, *range(980, 1010), 5_000])
def test_every_depth_is_read_and_can_be_written_again_or_is_poison(opener, depth):
    closer = {b"[": b"]", b'{"a":': b"}"}[opener]
    body = opener * depth + b"1" + closer * depth

    if depth > NESTING_MAX:
        assert poison_of(read_payload, body).code == "payload_unreadable"
    else:
        assert msgspec.json.encode(read_payload(body), order="sorted") == body


def test_many_brackets_are_not_deep():
    body = b'{"a":[' + b",".join([b'{"b":[{}]}'] * 200) + b'],"c":"' + b"[" * 200 + b'"}'
    assert read_payload(body)["c"] == "[" * 200


def test_of_a_name_that_stands_twice_the_last_value_counts():
    assert read_payload(b'{"a":1,"a":2}') == {"a": 2}


def test_bytes_that_are_no_text_damage_their_entry_and_not_the_page():
    page = read_page(b'{"rows":[{"id":"1"},{"id":"\xff\xfe"}]}')
    assert [Fields(row).text("id") for row in page["rows"]] == ["1", "\ufffd\ufffd"]
    assert poison_of(Fields(page["rows"][1]).key, "id").code == "field_invalid"


ODD_PARTS = [
    b"NaN",
    b"-Infinity",
    b"Infinity",
    b"[" * 70 + b"]" * 70,
    b'{"a":' * 2_000 + b"1" + b"}" * 2_000,
    b'[{"a":' * 3_000 + b'"]}"' + b"}]" * 3_000,
    b"1e99999999999999999999999",
    b"9" * 6_000,
    b'"\\ud83d"',
    b'"\xff"',
]


@pytest.mark.parametrize("part", ODD_PARTS)
def test_an_odd_part_of_a_page_costs_its_own_entry(part):
    page = read_page(b'{"n":"NaN, [[","rows":[{"id":"1"},{"id":' + part + b'},{"id":"3","other":' + part + b"}]}")

    rows = [Fields(row, fault=Malformed) for row in page["rows"]]
    assert (page["n"], rows[0].key("id"), rows[2].key("id")) == ("NaN, [[", "1", "3")
    with pytest.raises(Malformed):
        rows[1].key("id")


@pytest.mark.parametrize("body", [b'{"rows":[NaN', b"{'a':1}", b'{"a":' + b"[" * 5_000, b"", b'{"a":"NaN}', b"]]NaN[["])
def test_other_damage_costs_the_page(body):
    with pytest.raises(Malformed):
        read_page(body)


def test_repairing_a_page_ends_quickly():
    with pytest.raises(Malformed):
        read_page(b'{"a":' + b"[" * 4_000_000)


@given(st.binary(max_size=200) | st.from_regex(rb'[\[{"NaInfity:,0-9\]}]{0,80}'))
def test_any_bytes_end_in_a_page_or_malformed(body):
    with contextlib.suppress(Malformed):
        read_page(body)


def test_texts_keys_and_lists_have_limits():
    assert fields(a="x" * TEXT_MAX).text("a")
    assert poison_of(fields(a="x" * (TEXT_MAX + 1)).text_or, "a", "").code == "field_invalid"
    assert fields(a="x" * KEY_MAX).key("a")
    assert poison_of(fields(a="x" * (KEY_MAX + 1)).key, "a").code == "field_invalid"
    assert poison_of(fields(a=10**40).text, "a").code == "field_invalid"
    assert fields(a="x" * 10_000).said("a") == "x" * SAID_MAX
    assert (fields(a=["x"]).said("a"), fields(a=8016).said("a"), fields().said("a")) == ("", "8016", "")
    assert len(fields(a=[{}] * 3).listed("a", limit=3)) == 3
    assert poison_of(lambda: fields(a=[{}] * 4).listed("a", limit=3)).code == "field_invalid"


@pytest.mark.parametrize(
    ("value", "is_set"), [(True, True), (1, True), ("1", True), (" TRUE ", True), ("Y", True), (None, False)]
)
def test_marks(value, is_set):
    assert fields(a=value).flag("a") is is_set
    for no in (False, 0, "0", "false", "", "N"):
        assert fields(a=no).flag("a") is False


@pytest.mark.parametrize("value", [[], {}, "maybe", 2, Decimal("0.5"), [1]])
def test_a_mark_that_cannot_be_read_is_not_a_no(value):
    assert poison_of(fields(a=value).flag, "a").code == "field_invalid"


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


NO_DATES = [
    *("0000-00-00 00:00:00", "0001-01-01 00:00:00", "1970-01-01 08:00:00", "1999-12-31 00:00:00"),
    *("2100-01-01 08:00:01", "9999-12-31 23:59:59", "9999-12-31 24:00:00"),
]


@pytest.mark.parametrize("text", NO_DATES)
def test_a_date_outside_2000_to_2100_is_no_date(text):
    assert fields(a=text).moment_or_none("a", read_cst) is None
    assert poison_of(fields(a=text).moment, "a", read_cst).code == "field_invalid"


@pytest.mark.parametrize("text", ["2026-13-01 00:00:00", "2026-11-22 24:00:01", "2026-11-22 25:00:00", "soon", "٢"])
def test_what_is_no_date_at_all_is_invalid_even_where_none_is_needed(text):
    assert poison_of(fields(a=text).moment_or_none, "a", read_cst).code == "field_invalid"


def test_the_end_of_a_day_is_the_beginning_of_the_next():
    assert read_cst("2026-11-22 24:00:00") == read_cst("2026-11-23 00:00:00")
    assert read_cst("2027-12-31 24:00:00") == read_cst("2028-01-01 00:00:00")


def test_tidy():
    assert tidy(" 周末\u0000配送\r\n ") == "周末 配送"


@pytest.mark.parametrize(("value", "is_there"), [(None, False), ("", False), (" \t\n", False), (0, True), ("0", True)])
def test_a_text_of_blanks_is_absent(value, is_there):
    assert Fields({"a": value}).has("a") is is_there
    assert Fields({"a": value}).text_or("a", "none") == ("none" if not is_there else "0")
