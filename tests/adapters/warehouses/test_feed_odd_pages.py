"""Pages of scans in which something odd stands."""

import json
from datetime import UTC, datetime

import pytest

from adapters.warehouses import feed
from adapters.warehouses.feed import events
from domain.errors import Malformed

SCAN = {"event_id": "e1", "type": "packed", "reference": "R-1", "waybill": "W", "at": "2026-11-22T10:00:00+08:00"}


def page_of(*events: str, cursor: str = '"9"') -> bytes:
    return ('{"cursor":%s,"events":[%s]}' % (cursor, ",".join(events))).encode()  # noqa: UP031 - braces of JSON


def scan(**changed) -> str:
    return json.dumps({**SCAN, **changed})


def test_a_hand_over_at_24_00_is_at_00_00_of_the_next_day():
    page = feed.read_events(page_of(scan(at="2026-11-22T24:00:00+08:00"), scan(at="2026-11-23T00:00:00+08:00")), "")
    assert [event.at for event in page.events] == [datetime(2026, 11, 22, 16, tzinfo=UTC)] * 2


@pytest.mark.parametrize(
    "changed",
    [
        {"at": "0001-01-01T00:00:00+08:00"},
        {"at": "9999-12-31T23:59:59-23:59"},
        {"at": "2026-11-22T10:00:00"},
        {"at": 1795312800},
        {"type": ["packed"]},
        {"event_id": "e" * 129},
        {"event_id": None},
        {"waybill": "W" * 200},
        {"waybill": {"no": 1}},
    ],
)
def test_a_scan_that_cannot_be_read_names_its_package_and_stops_no_other(changed):
    page = feed.read_events(page_of(scan(), scan(**changed), scan(event_id="e3")), "")
    assert [event.event_id for event in page.events] == ["e1", "e3"]
    (one,) = page.rejected
    assert (one.position, one.key) == (1, "R-1")
    assert one.field.startswith("events[1].")


def test_a_defect_of_the_reader_is_its_entry_s_fault_alone(monkeypatch):
    def read(text):
        raise ZeroDivisionError if "09" in text else ValueError

    monkeypatch.setattr(events, "read_iso", read)
    page = feed.read_events(page_of(scan(at="2026-11-22T09:00:00Z"), scan()), "")
    assert [one.code for one in page.rejected] == ["ZeroDivisionError", "field_invalid"]


@pytest.mark.parametrize("cursor", ['"%s"' % ("c" * 1_025), "[]", "true", "1e9999999999999999999999"])
def test_a_cursor_that_cannot_be_kept_is_refused(cursor):
    with pytest.raises(Malformed):
        feed.read_events(page_of(scan(), cursor=cursor), "")


def test_events_without_a_step_forward_are_not_passed_over():
    with pytest.raises(Malformed) as caught:
        feed.read_events(page_of(scan(), cursor='"41"'), "41")
    assert caught.value.code == "cursor_stuck"
    assert feed.read_events(page_of(cursor='"41"'), "41").events == ()
