import inspect

import pytest

from adapters import ports
from adapters.guarded import GuardedCourier, GuardedNotifier, GuardedPlatform, GuardedWarehouse
from domain.gates import GateShut

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

    async def call(self, account, make):
        self.asked.append(account)
        if len(self.asked) > self.room:
            raise GateShut(account, "open", after_s=1.0)
        return await make()


class Port:
    """Every port at once; an answer is its method's name."""

    window_max_s = 60.0
    is_idempotent = True
    can_find = False
    find_lag_s = 1.5
    needs_mobile = True

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


def operations(port):
    return {
        name: len(inspect.signature(member).parameters) - 1
        for name, member in vars(port).items()
        if inspect.iscoroutinefunction(member)
    }


@pytest.mark.parametrize(("port", "wrapper"), PAIRS)
async def test_every_operation_of_a_port_passes_its_gate_once(port, wrapper):
    gates, inner = Gates(), Port()
    ours = wrapper("a/b", inner, gates)
    assert operations(port)
    for count, (name, arguments) in enumerate(operations(port).items(), start=1):
        given = tuple(range(arguments))
        assert await getattr(ours, name)(*given) in {name, None}
        assert inner.called[-1] == (name, *given)
        assert gates.asked == ["a/b"] * count


@pytest.mark.parametrize(("port", "wrapper"), PAIRS)
async def test_a_shut_gate_keeps_every_operation_from_being_called(port, wrapper):
    inner = Port()
    ours = wrapper("a/b", inner, Gates(room=0))
    for name, arguments in operations(port).items():
        with pytest.raises(GateShut):
            await getattr(ours, name)(*range(arguments))
    assert inner.called == []


async def test_every_page_of_a_listing_passes_the_gate_and_an_empty_one_ends_nothing():
    gates = Gates()
    ours = GuardedPlatform("a/b", Port(), gates)
    assert [page async for page in ours.changes("window")] == [["window"], [], ["last"]]
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
