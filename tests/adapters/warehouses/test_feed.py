from datetime import UTC, datetime

from adapters.warehouses import feed
from infra.settings import Location, Secret, Sender
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
