import json
from dataclasses import replace
from datetime import datetime

import pytest

from sandbox.signatures import warehouse_signature
from sandbox.warehouse import FeedRequest


@pytest.fixture
def ask(secrets, now):
    def make(location="shanghai", after="", limit="500", at=now):
        path = f"/warehouse/{location}/events?after={after}&limit={limit}"
        stamp = str(int(at))
        signature = warehouse_signature("GET", path, stamp, secrets.warehouse_secret)
        return FeedRequest(location, path, stamp, signature, after, limit)

    return make


@pytest.fixture
def read(ask, now):
    def page(world, *, at=now + 60, **params):
        status, body = world.feed.events(ask(**params), at)
        assert status == 200
        return json.loads(body)

    return page


@pytest.fixture
def book(sf, booking):
    def create(world, *references):
        for reference in references:
            sf(world, "EXP_RECE_CREATE_ORDER", booking(world, reference))

    return create


def test_a_package_is_accepted_packed_and_handed_over_in_time(world, book, read, now):
    book(world, "REF-1-1")
    kinds = [[event["type"] for event in read(world, at=now + after)["events"]] for after in (0.1, 0.25, 0.45, 0.65)]
    assert kinds == [[], ["accepted"], ["accepted", "packed"], ["accepted", "packed", "handed_over"]]
    event = read(world)["events"][1]
    assert event["reference"] == "REF-1-1"
    assert event["waybill"] in world.waybills.by_number
    assert datetime.fromisoformat(event["at"]).timestamp() == pytest.approx(now + 0.4, abs=0.01)


def test_reading_on_from_the_cursor_gives_each_event_once(world, book, read):
    book(world, *(f"REF-{number}-1" for number in range(5)))
    cursor, seen = "", []
    while True:
        page = read(world, after=cursor, limit="4")
        seen += [event["event_id"] for event in page["events"]]
        cursor = page["cursor"]
        if not page["has_more"]:
            break
    assert len(seen) == len(set(seen)) == 15
    assert read(world, after=cursor)["events"] == []
    assert read(world, after=cursor)["cursor"] == cursor


def test_a_cancelled_waybill_stops_where_it_is(world, book, read, sf, now):
    book(world, "REF-1-1")
    read(world, at=now + 0.25)
    sf(world, "EXP_RECE_UPDATE_ORDER", {"orderId": "REF-1-1", "dealType": 2})
    assert [event["type"] for event in read(world)["events"]] == ["accepted"]


def test_each_location_has_its_own_feed(world, book, read):
    book(world, "REF-1-1")
    assert read(world, location="guangzhou")["events"] == []


def test_a_label_from_elsewhere_is_packed_nowhere(world, sf, booking, read):
    asked = booking(world)
    asked["contactInfoList"][0] |= {"address": "无名路1号", "city": "拉萨市"}
    sf(world, "EXP_RECE_CREATE_ORDER", asked)
    assert read(world)["events"] == read(world, location="guangzhou")["events"] == []


def test_stock_is_what_the_plan_says(world, ask):
    status, body = world.feed.stock(ask(), 0)
    assert status == 200
    levels = {row["sku"]: row["quantity"] for row in json.loads(body)["stock"]}
    assert levels == {entry.sku.code: entry.levels["shanghai"] for entry in world.plan.catalogue}


def test_signature_and_clock_are_checked(world, ask, now):
    good = ask()
    assert world.feed.is_signed(good, now)
    assert world.feed.is_signed(good, now + 299)
    assert not world.feed.is_signed(good, now + 301)
    assert not world.feed.is_signed(replace(good, signature="0" * 64), now)
    assert not world.feed.is_signed(replace(good, path_and_query=good.path_and_query + "1"), now)
    assert not world.feed.is_signed(replace(good, timestamp="soon"), now)
    assert world.ledger.refused == {"warehouse 401": 4}


def test_unknown_locations_and_cursors(world, ask, now):
    assert world.feed.events(ask("moon"), now)[0] == 404
    assert world.feed.stock(ask("moon"), now)[0] == 404
    assert world.feed.events(ask(after="x"), now)[0] == 400
    assert world.feed.events(ask(limit="many"), now)[0] == 400
