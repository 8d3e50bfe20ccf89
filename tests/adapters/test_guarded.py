import inspect
from types import SimpleNamespace

import pytest

from adapters import ports
from adapters.documents import Capabilities
from adapters.guarded import GuardedCourier, GuardedNotifier, GuardedPlatform, GuardedWarehouse
from adapters.ports import Purpose
from domain.errors import Malformed, Misconfigured, Refused, Transient
from domain.gates import PAUSED, GateShut
from domain.order import OrderKey
from domain.references import document_reference, order_base, reference

PAIRS = [
    (ports.Platform, GuardedPlatform),
    (ports.Courier, GuardedCourier),
    (ports.Notifier, GuardedNotifier),
    (ports.Warehouse, GuardedWarehouse),
]


class Gates:
    """Lets so many calls through, and writes down whose."""

    def __init__(self, room: int = 100) -> None:
        self.room = room
        self.asked = []
        self.about = []

    async def call(self, account, make, about=None):
        self.asked.append(account)
        self.about.append(about)
        if len(self.asked) > self.room:
            raise GateShut(account, "open", after_s=1.0)
        return await make()


class Port:
    """Every port at once; an answer is its method's name."""

    window_max_s = 60.0
    is_idempotent = True
    can_find = False
    find_lag_s = 1.5
    can_track, track_max = True, 10
    needs_mobile = True
    capabilities = Capabilities(splits=True)

    def __init__(self) -> None:
        self.called = []

    def __getattr__(self, name):
        async def answer(*given):
            self.called.append((name, *given))
            return name

        return answer

    def courier_code(self, courier):
        return courier.upper()

    async def changes(self, window):
        for page in ([window], [], ["last"]):
            self.called.append("changes")
            yield page


# What each operation is given, by the names of its parameters, and the subject that it is about.
GIVEN = {
    "platform_order_id": "T1",
    "tokens": {"T1": "token"},
    "purpose": Purpose.LABEL,
    "handover": SimpleNamespace(platform_order_id="T1", courier="sf"),
    "booking": SimpleNamespace(reference="R1"),
    "document": SimpleNamespace(reference="R1"),
    "reference": "R1",
    "their_id": "7",
    "waybill": "SF1",
    "notice": SimpleNamespace(event_id="E1", content={}),
    "cursor": "7",
    "tracked": (SimpleNamespace(waybill="SF1"),),
    "request": SimpleNamespace(reference="R1", waybill="SF1"),
}
ABOUT = {
    "fetch": "T1",
    "status": "T1",
    "reveal": "T1",
    "write_back": "T1",
    "create": "R1",
    "find": "R1",
    "cancel": "R1",
    "track": None,
    "intercept": "R1",
    "ask_intercept": "SF1",
    "notify": "E1",
    "place": "R1",
    "stop": "R1",
    "events": None,
    "stock": None,
}


def operations(port):
    return {
        name: [GIVEN[each] for each in list(inspect.signature(member).parameters)[1:]]
        for name, member in vars(port).items()
        if inspect.iscoroutinefunction(member)
    }


@pytest.mark.parametrize(("port", "wrapper"), PAIRS)
async def test_every_operation_of_a_port_passes_its_gate_once(port, wrapper):
    gates, inner = Gates(), Port()
    ours = wrapper("a/b", inner, gates)
    assert operations(port)
    for count, (name, given) in enumerate(operations(port).items(), start=1):
        assert await getattr(ours, name)(*given) in {name, None}
        assert inner.called[-1] == (name, *given)
        assert gates.asked == ["a/b"] * count
        assert gates.about[-1] == ABOUT[name], "a gate knows which subject a call is about"


@pytest.mark.parametrize(("port", "wrapper"), PAIRS)
async def test_a_shut_gate_keeps_every_operation_from_being_called(port, wrapper):
    inner = Port()
    ours = wrapper("a/b", inner, Gates(room=0))
    for name, given in operations(port).items():
        with pytest.raises(GateShut):
            await getattr(ours, name)(*given)
    assert inner.called == []


async def test_every_page_of_a_listing_passes_the_gate_and_an_empty_one_ends_nothing():
    gates = Gates()
    ours = GuardedPlatform("a/b", Port(), gates)
    assert [page async for page in ours.changes("window")] == [["window"], [], ["last"]]
    assert set(gates.about) == {None}
    assert len(gates.asked) == 4, "the end of the listing is found out by asking"
    shut = GuardedPlatform("a/b", Port(), Gates(room=2))
    pages = shut.changes("window")
    assert [await anext(pages), await anext(pages)] == [["window"], []]
    with pytest.raises(GateShut):
        await anext(pages)


def test_what_calls_nobody_needs_no_gate():
    platform, courier = GuardedPlatform("a/b", Port(), Gates(0)), GuardedCourier("a/b", Port(), Gates(0))
    assert (platform.window_max_s, platform.courier_code("sf")) == (60.0, "SF")
    assert (courier.is_idempotent, courier.can_find, courier.find_lag_s) == (True, False, 1.5)
    assert GuardedNotifier("a/b", Port(), Gates(0)).is_idempotent
    assert GuardedWarehouse("a/b", Port(), Gates(0)).capabilities.splits


class Revealing(Port):
    """A platform that reveals receivers, unless one of them is its poison."""

    def __init__(self, poison: str, error: Exception) -> None:
        super().__init__()
        self.poison, self.error = poison, error

    async def reveal(self, tokens, _purpose):
        self.called.append(sorted(tokens))
        if self.poison in tokens:
            raise self.error
        return dict.fromkeys(tokens, "receiver")

    def courier_code(self, courier):
        raise Misconfigured("courier_unmapped", courier)


@pytest.mark.parametrize("error", [Misconfigured("http_403"), Malformed("not_json")])
async def test_one_receiver_that_spoils_a_batch_is_found_by_asking_for_each_alone(error):
    gates, inner = Gates(), Revealing("T2", error)
    found = await GuardedPlatform("a/b", inner, gates).reveal({"T1": "x", "T2": "y", "T3": "z"}, Purpose.LABEL)
    assert found == {"T1": "receiver", "T2": error, "T3": "receiver"}
    assert gates.about == [("T1", "T2", "T3"), "T1", "T2", "T3"]


@pytest.mark.parametrize("error", [Misconfigured("http_401", facts={PAUSED: "a/b"}), Transient("timed_out")])
async def test_nobody_is_asked_for_alone_where_the_account_or_its_server_is_the_cause(error):
    inner = Revealing("T2", error)
    with pytest.raises(type(error)):
        await GuardedPlatform("a/b", inner, Gates()).reveal({"T1": "x", "T2": "y"}, Purpose.LABEL)
    assert inner.called == [["T1", "T2"]]


async def test_a_courier_that_our_own_settings_do_not_map_accuses_no_account():
    gates = Gates()
    with pytest.raises(Refused, match="courier_unmapped"):
        await GuardedPlatform("a/b", Revealing("", Refused("x")), gates).write_back(GIVEN["handover"])
    assert gates.asked == []


async def test_all_packages_documents_and_notices_of_one_order_are_one_subject():
    key = OrderKey("taobao", "s1", "T1")
    content = {"platform": "taobao", "shop": "s1", "platform_order_id": "T1"}
    gates = Gates()
    courier, notifier = GuardedCourier("a/b", Port(), gates), GuardedNotifier("a/b", Port(), gates)
    warehouse = GuardedWarehouse("a/b", Port(), gates)
    for number in (1, 2):
        await courier.create(SimpleNamespace(reference=reference(key, number, 1)))
        await courier.find(reference(key, number, 1))
        await notifier.notify(SimpleNamespace(event_id=f"E{number}", content=content))
        await warehouse.place(SimpleNamespace(reference=document_reference(key, number, 1)))
        await warehouse.stop(document_reference(key, number, 1), "7")
    assert set(gates.about) == {order_base(key), "taobao/s1/T1"}
