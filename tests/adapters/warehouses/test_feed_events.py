"""What an event may tell beside its kind: packages, lines, whether more will come, and why."""

import json

import pytest

from adapters.documents import EventLine, EventPackage
from adapters.warehouses import feed
from domain.warehouse import Scan

AT = "2026-11-22T10:00:00+08:00"
LINE = {"line": "11", "sku": "TEE-1", "planned": 2, "actual": 1}
PACKAGE = {"waybill": "SF1", "courier": "sf", "grams": 650, "lines": [{"line": "11", "quantity": 1}]}
EVENT = {"event_id": "e1", "type": "handed_over", "reference": "R-W1-1", "id": "WMS-1", "at": AT, "final": True}


def read(**changed):
    """One changed event between two that are as they should be: the page's rejected entries, and that event."""
    events = [{**EVENT, "event_id": "a"}, {**EVENT, **changed}, {**EVENT, "event_id": "b"}]
    page = feed.read_events(json.dumps({"cursor": "9", "events": events}).encode(), "")
    assert [event.event_id for event in page.events if event.event_id in {"a", "b"}] == ["a", "b"]
    return page.rejected, next((event for event in page.events if event.event_id not in {"a", "b"}), None)


@pytest.mark.parametrize("kind", [kind for kind in Scan if kind is not Scan.OTHER])
def test_every_kind_is_read_with_all_that_it_tells(kind):
    rejected, event = read(type=kind.value, packages=[PACKAGE], lines=[LINE])
    assert rejected == ()
    assert (event.kind, event.their_id, event.is_final, event.is_key_trusted) == (kind, "WMS-1", True, True)
    assert event.packages == (EventPackage("SF1", "sf", 650, (("11", 1),)),)
    assert event.lines == (EventLine("11", "TEE-1", 2, 1),)


@pytest.mark.parametrize(
    ("kind", "said", "code"),
    [
        ("refused", "capacity", "capacity"),
        ("refused", None, "other"),
        ("refused", "moon_phase", "other"),
        ("refused", ["short"], "other"),
        ("short", None, "short"),
        ("short", "unknown_sku", "unknown_sku"),
        ("packed", "short", ""),
    ],
)
def test_only_a_refusal_or_a_short_pick_has_a_code_and_always_one_of_ours(kind, said, code):
    assert read(type=kind, code=said)[1].code == code


@pytest.mark.parametrize(
    ("said", "code"), [("repacked", "repacked"), ("拍照", ""), ("other", "other"), ("a b", ""), ("13800000001", "")]
)
def test_a_word_that_we_do_not_know_is_kept_as_other_and_reads_nothing_else(said, code):
    """What stands beside an unknown word may mean anything, and may be damaged."""
    rejected, event = read(type=said, packages="?", lines=7, waybill="SF9", final="perhaps")
    assert rejected == ()
    assert (event.kind, event.code, event.waybill, event.packages, event.is_final) == ("other", code, "", (), False)


@pytest.mark.parametrize(
    "changed",
    [
        {"packages": [{"courier": "sf"}]},
        {"packages": [{"waybill": "张三 13800000001"}]},
        {"packages": [{**PACKAGE, "lines": [{"line": "11", "quantity": 0}]}]},
        {"packages": [{**PACKAGE, "lines": [{"line": "11", "quantity": 1}] * 2}]},
        {"packages": [PACKAGE] * 201},
        {"packages": ["SF1"]},
        {"lines": [{**LINE, "actual": None}]},
        {"lines": [{**LINE, "planned": "many"}]},
        {"lines": [{**LINE, "actual": 10_000_001}]},
        {"lines": [LINE] * 1_001},
        {"final": "perhaps"},
        {"id": "w" * 129},
    ],
)
def test_what_cannot_be_read_is_that_event_s_fault_alone(changed):
    rejected, event = read(**changed)
    assert event is None
    assert [(one.position, one.key) for one in rejected] == [(1, "R-W1-1")]


@pytest.mark.parametrize(
    ("changed", "packages"),
    [
        ({"packages": PACKAGE}, 1),
        ({"packages": None}, 0),
        ({"packages": ""}, 0),
        ({"packages": [{"waybill": "SF1"}]}, 1),
        ({"packages": [{**PACKAGE, "grams": "650"}]}, 1),
        ({"packages": [{**PACKAGE, "grams": None, "box": "L"}]}, 1),
    ],
)
def test_lists_and_numbers_are_read_in_the_shapes_that_systems_write(changed, packages):
    rejected, event = read(**changed)
    assert (rejected, len(event.packages)) == ((), packages)


@pytest.mark.parametrize("grams", [None, -1, 1_000_001, "315.0000", "heavy", [650]])
def test_a_weight_that_is_none_is_unknown_and_stops_no_hand_over(grams):
    assert read(packages=[{**PACKAGE, "grams": grams}])[1].packages[0].weight_g == 0


def test_a_lone_package_is_the_waybill_of_the_event():
    assert read(packages=[PACKAGE])[1].waybill == "SF1"
    assert read(packages=[PACKAGE], waybill="SF2")[1].waybill == "SF2"
    assert read(packages=[PACKAGE, {"waybill": "SF3"}])[1].waybill == ""


def test_whoever_did_it_is_not_read():
    _, event = read(operator="王五", phone="13800000001", packages=[{**PACKAGE, "checker": "王五"}], text="王五 packed")
    assert "王五" not in repr(event)
    assert "13800000001" not in repr(event)


@pytest.mark.parametrize(("event_id", "is_trusted"), [("e7", True), ("R-W1-1", False), ("WMS-1", False)])
def test_a_key_that_is_the_document_s_own_is_not_relied_on(event_id, is_trusted):
    assert read(event_id=event_id)[1].is_key_trusted is is_trusted
