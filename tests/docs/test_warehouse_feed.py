"""Every example of the reference page of the feed is read, or written, by the code as the page says."""

import hashlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.documents import (
    Document,
    DocumentLine,
    DocumentPackage,
    DocumentProgress,
    DocumentRefusedError,
    EventLine,
    RefusalCode,
    ReturnedPieces,
    Stop,
)
from adapters.warehouses.feed.events import read_events, read_stock
from adapters.warehouses.feed.options import FLAGS
from adapters.warehouses.feed.orders import error_code, order_of, read_found, read_stop, read_taken
from adapters.warehouses.feed.sign import sign
from domain.order import Lane
from domain.warehouse import Scan

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "warehouse-feed.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```(?:json|text) ([a-z.-]+)\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL))
REFERENCE = "W7B73O67I4YV6HOQ4RJX-W1-1"
DOCUMENT = Document(
    reference=REFERENCE,
    shop="taobao/s1",
    lines=(DocumentLine("2900000000000000011", "TEE-1", 2), DocumentLine("2900000000000000012", "SOCK-1", 1)),
    packages=(DocumentPackage("W7B73O67I4YV6HOQ4RJX-1-1", "sf", "SF1000000000001", "571A-12"),),
    merge_token="oaid-1",
    packing_group="gift",
    lane=Lane.P0,
    ship_by=datetime(2026, 11, 22, 10, 30, tzinfo=UTC),
)


def example(name):
    return BLOCKS[name].encode()


def table(after, column=0):
    """The words in code marks of a column, of the first table below a text of the page."""
    rows = PAGE.split(after, 1)[1].split("|---", 1)[1].split("\n\n", 1)[0].splitlines()[1:]
    return [word for row in rows for word in re.findall(r"`([a-z_]+)`", row.split("|")[column + 1])]


def test_the_request_is_what_we_send():
    assert json.loads(example("place.request")) == order_of(DOCUMENT)


def test_the_answers_to_a_document_are_read():
    assert read_taken(example("place.taken"), DOCUMENT).their_id == "WMS-17"
    assert [part.their_id for part in read_taken(example("place.parts"), DOCUMENT).parts] == ["WMS-17-1", "WMS-17-2"]
    with pytest.raises(DocumentRefusedError) as caught:
        read_taken(example("place.refused"), DOCUMENT)
    assert caught.value.facts == {"reason": "short"}
    assert caught.value.lines == (EventLine("2900000000000000011", "TEE-1", 2, 1),)
    assert error_code(example("place.other-content")) == "reference_used"


def test_the_answers_to_a_stop_and_a_look_up_are_read():
    assert json.loads(example("stop.request")) == {"reference": REFERENCE, "id": "WMS-17"}
    assert read_stop(example("stop.stopped"), REFERENCE) is Stop.STOPPED
    found = read_found(example("find.found"), REFERENCE)
    assert (found.their_id, found.progress) == ("WMS-17", DocumentProgress.PACKED)
    assert error_code(example("unknown-reference")) == "unknown_reference"


def test_the_page_of_events_and_the_count_are_read_whole():
    page = read_events(example("events.page"), "")
    assert page.rejected == ()
    kinds = [Scan.ACCEPTED, Scan.SHORT, Scan.PACKED, Scan.HANDED_OVER, Scan.OTHER, Scan.RETURNED]
    assert [event.kind for event in page.events] == kinds
    assert [event.code for event in page.events] == ["", "short", "", "", "repacked", ""]
    assert page.events[5].returned == (
        ReturnedPieces("TEE-1", 1, 1),
        ReturnedPieces("SOCK-1", 0, 0, "2900000000000000012"),
    )
    left = page.events[3]
    assert (left.is_final, [line.actual for line in left.lines]) == (True, [1, 0])
    assert [(one.waybill, one.weight_g, one.lines) for one in left.packages] == [
        ("SF1000000000001", 650, (("2900000000000000011", 1),))
    ]
    assert [level.quantity for level in read_stock(example("stock.count")).levels] == [12, 0]


def test_the_signature_is_as_computed():
    *_, digest = BLOCKS["signature"].split()
    (body,) = re.findall(r"with the body\n`([^`]+)`", PAGE)
    (signature,) = re.findall(r"`X-Signature: ([0-9a-f]+)`", PAGE)
    assert digest == hashlib.sha256(body.encode()).hexdigest()
    assert signature == sign("POST", "/feed/east/stop", "1795312800", b"feed-secret-0001", body.encode())


def test_the_tables_have_every_word_and_no_other():
    assert sorted(table("## Options of a location")) == sorted([*FLAGS, "find_lag_s"])
    assert table("| answer | meaning |\n") == [word.value for word in Stop]
    assert table("| code | meaning |\n") == [word.value for word in RefusalCode]
    assert set(table("| type | meaning |\n")) == {kind.value for kind in Scan} - {"other"}
    states = re.search(r"^`state` is (.+)$", PAGE, flags=re.MULTILINE)[1]
    assert set(re.findall(r"`([a-z_]+)`", states)) - {"code"} == {word.value for word in DocumentProgress}


def test_every_example_is_looked_at():
    assert set(BLOCKS) == set(re.findall(r'(?:example\(|BLOCKS\[)"([a-z.-]+)"', Path(__file__).read_text()))
