"""Answers of a warehouse that are lost, late or repeated: whoever asks first leaves one document there."""

import time

import pytest
from aiohttp import web
from msgspec import structs

from adapters.documents import Document, DocumentLine, DocumentProgress, DocumentRefusedError, RefusalCode, Stop
from adapters.http_client import HttpClient
from adapters.warehouses import feed
from domain.errors import Transient, UnknownOutcome
from infra.config.secret import Secret
from infra.config.settings import HttpLimits as Limits
from infra.config.settings import Location, Sender
from infra.process.clock import SystemClock
from sandbox.report import full
from sandbox.server import application
from sandbox.spec import Floor, Latency, Secrets, Spec, WarehouseDelays
from sandbox.stream import plan
from sandbox.world import World

PLACE = "shanghai"
TOLD = Floor()
DOCUMENT = Document(reference="W7B73O67I4YV6HOQ4RJX-W1-1", shop="taobao/s1", lines=(DocumentLine("11", "SKU-1", 2),))
OTHER = "W7B73O67I4YV6HOQ4RJX-W2-1"


@pytest.fixture
def world():
    words = {name: name for name in Secrets.__struct_fields__}
    spec = Spec(
        seed=7,
        orders=3,
        shops=1,
        secrets=Secrets(**words),
        warehouse=WarehouseDelays(accept_s=1e6),
        floors={PLACE: TOLD},
    )
    return World(spec, plan(spec), time.time())


@pytest.fixture
async def warehouse(world):
    """The feed of a sandbox's warehouse, through a door that waits a second for an answer."""
    runner = web.AppRunner(application(world, time.time))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host = f"127.0.0.1:{runner.addresses[0][1]}"
    location = Location(
        name=PLACE,
        endpoint=f"http://{host}/warehouse/{PLACE}",
        sender=Sender(contact="a", phone="1", province="p", city="c", district="d", detail="x"),
        credentials={"secret": Secret("warehouse_secret")},
        options={"takes_orders": "true"},
    )
    limits = Limits(connect_s=1.0, read_s=1.0, total_s=2.0)
    async with HttpClient(limits, frozenset({host}), SystemClock()) as door:
        yield feed.connect(location, door, SystemClock())
    await runner.cleanup()


def documents(world):
    return [(one["reference"], one["state"]) for one in full(world)["documents"]]


async def ask_first(warehouse, document):
    """What a caller does after an outcome that it does not know."""
    found = await warehouse.find(document.reference)
    return found.their_id if found else (await warehouse.place(document)).their_id


@pytest.mark.parametrize(("lever", "left"), [("lose_answers", 1), ("drop_calls", 0)])
async def test_after_a_lost_answer_the_look_up_says_whether_to_place_again(world, warehouse, lever, left):
    getattr(world.warehouses, lever)[PLACE] = 1
    with pytest.raises(UnknownOutcome):
        await warehouse.place(DOCUMENT)
    assert len(documents(world)) == left, "no call is repeated by the door itself"
    their_id = await ask_first(warehouse, DOCUMENT)
    assert documents(world) == [(DOCUMENT.reference, "taken")]
    assert their_id == full(world)["documents"][0]["id"]


async def test_control_who_does_not_ask_first_doubles_where_placing_is_not_idempotent(world, warehouse):
    world.warehouses.works[PLACE].floor = structs.replace(TOLD, is_idempotent=False)
    world.warehouses.lose_answers[PLACE] = 1
    with pytest.raises(UnknownOutcome):
        await warehouse.place(DOCUMENT)
    await warehouse.place(DOCUMENT)
    assert full(world)["doubled_documents"] == [DOCUMENT.reference]


async def test_an_answer_that_comes_too_late_is_an_unknown_outcome(world, warehouse):
    world.latency = Latency(warehouse_ms=1_500)
    with pytest.raises(UnknownOutcome):
        await warehouse.place(DOCUMENT)
    world.latency = Latency()
    await ask_first(warehouse, DOCUMENT)
    assert documents(world) == [(DOCUMENT.reference, "taken")]


async def test_a_refusal_whose_answer_is_lost_is_refused_when_it_is_found(world, warehouse):
    world.warehouses.works[PLACE].floor = structs.replace(TOLD, refuses=1.0)
    world.warehouses.lose_answers[PLACE] = 1
    with pytest.raises(UnknownOutcome):
        await warehouse.place(DOCUMENT)
    found = await warehouse.find(DOCUMENT.reference)
    assert found.progress is DocumentProgress.REFUSED
    with pytest.raises(DocumentRefusedError) as caught:
        await warehouse.place(DOCUMENT)
    assert caught.value.reason is RefusalCode(found.code)
    assert documents(world) == [(DOCUMENT.reference, "refused")]


@pytest.mark.parametrize("lever", ["lose_answers", "drop_calls"])
async def test_a_stop_and_a_look_up_are_repeated_by_the_door(world, warehouse, lever):
    await warehouse.place(DOCUMENT)
    getattr(world.warehouses, lever)[PLACE] = 1
    assert (await warehouse.find(DOCUMENT.reference)).progress is DocumentProgress.TAKEN
    getattr(world.warehouses, lever)[PLACE] = 1
    assert await warehouse.stop(DOCUMENT.reference, "") is Stop.STOPPED
    assert documents(world) == [(DOCUMENT.reference, "stopped")]


async def test_a_warehouse_that_is_away_tells_nothing_of_a_document(world, warehouse):
    await warehouse.place(DOCUMENT)
    world.warehouses.works[PLACE].floor = structs.replace(TOLD, is_away=True)
    with pytest.raises(UnknownOutcome):
        await warehouse.place(Document(reference=OTHER, shop=DOCUMENT.shop, lines=DOCUMENT.lines))
    for call in (warehouse.find(DOCUMENT.reference), warehouse.stop(DOCUMENT.reference, ""), warehouse.events("")):
        with pytest.raises(Transient):
            await call
    assert documents(world) == [(DOCUMENT.reference, "taken")]
