"""Documents as they are written, and the answers to them as they are judged."""

import json
from dataclasses import replace

import pytest

from adapters.documents import (
    Document,
    DocumentLine,
    DocumentPart,
    DocumentProgress,
    DocumentRefusedError,
    EventLine,
    RefusalCode,
    Stop,
)
from adapters.warehouses.feed.options import read_capabilities
from adapters.warehouses.feed.orders import error_code, order_of, read_found, read_stop, read_taken
from domain.errors import Malformed, Misconfigured
from domain.order import Address
from infra.config.settings import Location, Sender

REFERENCE = "W7B73O67I4YV6HOQ4RJX-W1-1"
DOCUMENT = Document(
    reference=REFERENCE, shop="taobao/s1", lines=(DocumentLine("11", "TEE-1", 2), DocumentLine("12", "SOCK-1", 1))
)
RECEIVER = Address("林小满", "13800000001", "浙江省", "杭州市", "西湖区", "", "文三路 1 号", merge_token="oaid-1")


def answer(**fields):
    return json.dumps({"reference": REFERENCE, **fields}).encode()


def part(name, **pieces):
    return {"id": name, "lines": [{"line": line, "quantity": quantity} for line, quantity in pieces.items()]}


def test_what_is_empty_is_left_out():
    assert order_of(DOCUMENT).keys() == {"reference", "shop", "lane", "lines", "packages"}
    asked = order_of(replace(DOCUMENT, courier="sf", service="express", receiver=RECEIVER))
    assert (asked["courier"], asked["service"]) == ("sf", "express")
    assert asked["receiver"].keys() == {"name", "phone", "province", "city", "district", "detail"}


def test_a_document_shows_no_person():
    assert "13800000001" not in repr(replace(DOCUMENT, receiver=RECEIVER, merge_token="oaid-1"))


def test_parts_that_make_up_the_document_are_read():
    said = answer(answer="taken", id="W", parts=[part("W-1", **{"11": 1}), part("W-2", **{"11": 1, "12": 1})])
    assert read_taken(said, DOCUMENT).parts == (
        DocumentPart("W-1", (("11", 1),)),
        DocumentPart("W-2", (("11", 1), ("12", 1))),
    )


@pytest.mark.parametrize(
    "parts",
    [
        [part("W-1", **{"11": 2})],
        [part("W-1", **{"11": 3, "12": 1})],
        [part("W-1", **{"11": 2, "12": 1, "13": 1})],
        [part("W-1")],
        [part("", **{"11": 2, "12": 1})],
        [{"id": "W-1", "lines": [{"line": "11"}]}],
        "W-1",
    ],
)
def test_parts_that_do_not_leave_the_outcome_unknown(parts):
    with pytest.raises(Malformed):
        read_taken(answer(answer="taken", id="W", parts=parts), DOCUMENT)


@pytest.mark.parametrize("said", [{"answer": "taken"}, {"id": "W"}, {"answer": True, "id": "W"}, {"answer": ["taken"]}])
def test_an_answer_that_does_not_say_taken_with_an_id_is_none(said):
    with pytest.raises(Malformed):
        read_taken(answer(**said), DOCUMENT)


@pytest.mark.parametrize(
    ("code", "reason"),
    [("short", "short"), ("unknown_sku", "unknown_sku"), (None, "other"), ("E-17", "other"), ({}, "other")],
)
def test_a_refusal_has_a_reason_of_ours_and_never_their_words(code, reason):
    said = answer(
        answer="refused",
        code=code,
        text="林小满 13800000001",
        lines=[{"line": "11", "sku": "TEE-1", "planned": 2, "actual": 0}],
    )
    with pytest.raises(DocumentRefusedError) as caught:
        read_taken(said, DOCUMENT)
    error = caught.value
    assert (error.code, error.facts, error.reason) == ("document_refused", {"reason": reason}, RefusalCode(reason))
    assert error.lines == (EventLine("11", "TEE-1", 2, 0),)
    assert "13800000001" not in f"{error} {error.message}"


@pytest.mark.parametrize("word", Stop)
def test_a_stop_has_three_answers(word):
    assert read_stop(answer(answer=word.value), REFERENCE) is word


@pytest.mark.parametrize("word", [None, "", "STOPPED", "ok", True, ["stopped"]])
def test_nothing_is_freed_on_any_other_word(word):
    with pytest.raises(Malformed):
        read_stop(answer(answer=word), REFERENCE)


@pytest.mark.parametrize("word", DocumentProgress)
def test_a_document_is_found_in_every_state(word):
    found = read_found(answer(state=word.value, id=17, code="capacity"), REFERENCE)
    assert (found.progress, found.their_id, found.code) == (
        word,
        "17",
        "capacity" if word is DocumentProgress.REFUSED else "",
    )


@pytest.mark.parametrize("read", [read_stop, read_found, lambda body, _: read_taken(body, DOCUMENT)])
@pytest.mark.parametrize("reference", ["W7B73O67I4YV6HOQ4RJX-W1-2", "", None])
def test_an_answer_about_another_document_is_none(read, reference):
    said = json.dumps({"reference": reference, "answer": "stopped", "state": "taken", "id": "W"}).encode()
    with pytest.raises(Malformed):
        read(said, REFERENCE)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"error":"unknown_reference"}', "unknown_reference"),
        (b'{"error":"no such page"}', ""),
        (b'{"error":{"code":"unknown_reference"}}', ""),
        (b'["unknown_reference"]', ""),
        (b"<html>unknown_reference</html>", ""),
        (b"", ""),
    ],
)
def test_only_the_protocol_s_own_code_says_that_there_is_none(body, code):
    assert error_code(body) == code


def located(**options):
    sender = Sender(contact="a", phone="1", province="p", city="c", district="d", detail="x")
    return Location(name="east", endpoint="http://h/x", sender=sender, credentials={}, options=options)


def test_a_feed_that_takes_orders_can_do_what_the_protocol_says():
    can = read_capabilities(located(takes_orders="true"))
    assert (can.takes_orders, can.can_stop, can.can_find, can.is_idempotent) == (True, True, True, True)
    assert (can.books_waybill, can.splits, can.needs_receiver, can.find_lag_s) == (False, False, False, 0.0)


@pytest.mark.parametrize("options", [{}, {"takes_orders": "false"}])
def test_a_feed_that_takes_no_orders_can_stop_and_find_none(options):
    """So it is in the settings of earlier versions, which name no options."""
    can = read_capabilities(located(**options))
    assert (can.takes_orders, can.can_stop, can.can_find, can.has_feed, can.counts_stock) == (
        False,
        False,
        False,
        True,
        True,
    )


def test_options_are_read_strictly():
    can = read_capabilities(
        located(takes_orders="true", books_waybill="true", splits="true", can_stop="false", find_lag_s="2.5")
    )
    assert (can.books_waybill, can.splits, can.can_stop, can.find_lag_s) == (True, True, False, 2.5)


@pytest.mark.parametrize(
    ("options", "code", "option"),
    [
        ({"take_orders": "false"}, "option_unknown", "take_orders"),
        ({"takes_orders": "no"}, "option_invalid", "takes_orders"),
        ({"takes_orders": ""}, "option_invalid", "takes_orders"),
        ({"find_lag_s": "-1"}, "option_invalid", "find_lag_s"),
        ({"find_lag_s": "3601"}, "option_invalid", "find_lag_s"),
        ({"find_lag_s": "nan"}, "option_invalid", "find_lag_s"),
        ({"takes_orders": "true", "splits": "true"}, "options_contradict", "splits"),
        ({"splits": "true"}, "options_contradict", "splits"),
        ({"can_stop": "true"}, "options_contradict", "can_stop"),
        ({"takes_orders": "false", "books_waybill": "true"}, "options_contradict", "books_waybill"),
    ],
)
def test_what_cannot_be_meant_stops_the_start(options, code, option):
    with pytest.raises(Misconfigured) as caught:
        read_capabilities(located(**options))
    assert (caught.value.code, caught.value.facts) == (code, {"account": "warehouse/east", "option": option})
