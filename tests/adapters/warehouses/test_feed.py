from datetime import UTC, datetime

import pytest

from adapters.warehouses import feed
from domain.errors import Malformed
from infra.config.secret import Secret
from infra.config.settings import Location, Sender
from sandbox.signatures import warehouse_signature

SENDER = Sender(contact="a", phone="1", province="p", city="c", district="d", detail="x")


def test_the_signature_covers_path_and_query_as_sent():
    location = Location(
        name="east", endpoint="http://h:8080/w/east/", sender=SENDER, credentials={"secret": Secret("s3cret")}
    )
    request = feed.build(location, "/events?after=a%2Fb&limit=500", "events", datetime(2026, 11, 22, tzinfo=UTC))

    assert request.url == "http://h:8080/w/east/events?after=a%2Fb&limit=500"
    stamp = request.headers["X-Timestamp"]
    expected = warehouse_signature("GET", "/w/east/events?after=a%2Fb&limit=500", stamp, "s3cret")
    assert request.headers["X-Signature"] == expected


async def test_a_cursor_of_any_text_comes_back_as_it_was(serve, open_door, clock):
    async def handle(wire):
        await wire.receive()
        await wire.answer(b'{"cursor":"x","events":[]}')

    server = await serve(handle)
    location = Location(name="e", endpoint=server.url, sender=SENDER, credentials={"secret": Secret("s")})
    warehouse = feed.connect(location, await open_door(server.host), clock)

    await warehouse.events("a/b c=+&?#ö")

    assert server.received[0].target == "/events?after=a%2Fb%20c%3D%2B%26%3F%23%C3%B6&limit=500"


SCAN = b'{"event_id":"1","type":"packed","reference":"R","waybill":"W","at":"2026-11-22T10:00:00+08:00"}'


@pytest.mark.parametrize("cursor", [b"", b'"cursor":null,', b'"cursor":"",', b'"cursor_v2":"7",'])
def test_scans_without_a_cursor_behind_them_are_no_page(cursor):
    assert feed.read_events(b'{"cursor":"7","events":[%b]}' % SCAN, "6").cursor == "7"
    with pytest.raises(Malformed):
        feed.read_events(b'{%b"events":[%b]}' % (cursor, SCAN), "6")
    assert feed.read_events(b'{%b"events":[]}' % cursor, "6").cursor == "6", "nothing new: nothing moves"


@pytest.mark.parametrize("field", [b"event_id", b"type", b"reference", b"at"])
def test_a_scan_without_a_field_is_named_and_moves_nothing(field):
    page = feed.read_events(b'{"cursor":"7","events":[%b]}' % SCAN.replace(field, field + b"_v2"), "6")
    assert page.events == ()
    assert [(one.code, one.field) for one in page.rejected] == [("field_missing", f"events[0].{field.decode()}")]


@pytest.mark.parametrize(
    "row", [b'"sku":"A"', b'"sku":"A","quantity":null', b'"sku":"A","quantity":""', b'"quantity":1']
)
def test_a_count_without_a_number_is_no_count_of_that_sku(row):
    count = feed.read_stock(b'{"stock":[{"sku":"B","quantity":1},{%b}]}' % row)
    assert [(level.sku, level.quantity) for level in count.levels] == [("B", 1)]
    assert [one.position for one in count.rejected] == [1]
