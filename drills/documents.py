"""A drill with a warehouse's answers: each answer to placing and to looking up lost, late, repeated, refused."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from drills.checkers import check_all
from drills.drill import Plan, Trial
from drills.lines import GARBAGE, TOO_LATE
from drills.proxy import Fault, Proxy, harmless
from drills.small_world import TOLD, SmallWorld, small_world
from drills.unclear import LOST, sandbox_line
from drills.unguarded import Guard

_TRIES, _TRIES_QUICK = 5, 1
_LAG_S = 1.0
_MOST_TRIES = 40
_BROKEN = Fault("error 500", reply=b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\n{}")
_DROPPED = Fault("request lost", is_dropped=True)
# For the look-up before the placing, whose turn comes first.
_UNHARMED = Fault("as it is")
_REPEATED = Fault("request twice", is_repeated=True)


def _is_place(request: bytes) -> bool:
    return request.startswith(b"POST /warehouse/") and b"/orders HTTP/1.1" in request


def _is_find(request: bytes) -> bool:
    return request.startswith(b"GET /warehouse/") and b"/orders/" in request.partition(b"\r\n")[0]


def _is_events(request: bytes) -> bool:
    return request.startswith(b"GET /warehouse/") and b"/events?" in request.partition(b"\r\n")[0]


@dataclass
class Struck:
    """Faults for the next requests of each kind, each once.

    No event is heard meanwhile, as an event tells that the document is there. `is_deaf`: nor later.
    """

    place: list[Fault] = field(default_factory=list)
    find: list[Fault] = field(default_factory=list)
    is_deaf: bool = False

    def __call__(self, request: bytes) -> Fault | None:
        if _is_events(request):
            return _BROKEN if self.is_deaf or self.place or self.find else None
        waiting = self.place if _is_place(request) else self.find if _is_find(request) else []
        return waiting.pop(0) if waiting else None


@dataclass(frozen=True, slots=True)
class _Answers:
    """Faults of the calls about one document. `floor`: what the warehouses are besides usual, for its time."""

    name: str
    place: Sequence[Fault] = ()
    find: Sequence[Fault] = ()
    floor: dict[str, Any] = field(default_factory=dict)

    @property
    def faults(self) -> int:
        return len(self.place) + len(self.find)


CASES = (
    _Answers("place lost", [LOST]),
    _Answers("place never arrived", [_DROPPED]),
    _Answers("place late", [TOO_LATE]),
    _Answers("place answered with a page", [GARBAGE]),
    _Answers("place answered with an error", [_BROKEN]),
    _Answers("place arrived twice", [_REPEATED], floor={"is_idempotent": True}),
    _Answers("find lost", (), [LOST]),
    _Answers("find never arrived, twice", (), [_DROPPED, _DROPPED]),
    _Answers("place lost, find late", [LOST], [_UNHARMED, TOO_LATE]),
    _Answers("place lost, find lost", [LOST], [_UNHARMED, LOST]),
    _Answers("place lost, find a page, then an error", [LOST], [_UNHARMED, GARBAGE, _BROKEN]),
    _Answers("place never arrived, then lost", [_DROPPED, LOST], [_UNHARMED, _UNHARMED, LOST]),
    _Answers("find arrived twice", (), [_REPEATED]),
)


def document_answers(plan: Plan) -> Trial:
    """Each answer of a warehouse is lost, late, repeated, nonsense or a refusal: it has one document of each order.

    The warehouses take a second document whenever they are asked. Control: not asked first, they have two.
    """
    trial = Trial(control="not asked first: two documents")
    with small_world(plan, is_told=True) as world, sandbox_line(world) as line:
        for case in CASES * (_TRIES_QUICK if plan.is_quick else _TRIES):
            _play(world, line, case, trial)
        _check_late_look_up(world, line, trial)
        _check_refusals(world, trial)
        documents = _documents(world)
        wrong = {one.why: documents[one.base] for one in world.placed if documents[one.base] != 1}
        trial.check("one document an order", not wrong, wrong or len(world.placed))
        check_all(world.demo, trial)
        trial.harm_shown = _is_doubled_unasked(world, line)
    return trial


def _play(world: SmallWorld, line: Proxy, case: _Answers, trial: Trial) -> None:
    if case.floor:
        _set_floors(world, **case.floor)
    line.judge = struck = Struck(list(case.place), list(case.find))
    world.order(case.name)
    ended = world.work()
    # Where the last answer was lost to a worker that had done its rounds, the next one goes on.
    ended = ended if ended.how == "done" else world.work()
    met = case.faults - len(struck.place) - len(struck.find)
    trial.injected[case.name] += met - sum(fault is _UNHARMED for fault in (*case.place, *case.find))
    if ended.how != "done" or met != case.faults:
        trial.check(case.name, holds=False, seen=f"{ended.how}, {met} of {case.faults} faults met")
    line.judge = harmless
    if case.floor:
        _set_floors(world)


def _check_late_look_up(world: SmallWorld, line: Proxy, trial: Trial) -> None:
    """An answer is lost at warehouses whose look-up is late, and the settings say how late."""
    file = world.demo.stage.settings_file
    usual = file.read_text()
    file.write_text(usual.replace('find_lag_s = "0.000"', f'find_lag_s = "{2 * _LAG_S:.3f}"'))
    _set_floors(world, find_lag_s=_LAG_S)
    line.judge = Struck([LOST])
    world.order("place lost, look-up late")
    # In real time: what is not shown yet must not be placed again.
    tries = 0
    while world.go_on().how != "done" and tries < _MOST_TRIES:
        tries += 1
    trial.injected["look-up late"] += 1
    line.judge = harmless
    _set_floors(world)
    file.write_text(usual)


def _check_refusals(world: SmallWorld, trial: Trial) -> None:
    """One warehouse refuses: the order goes to the other one."""
    first, *_ = TOLD
    _set_floor(world, first, refuses=1.0)
    for _ in range(2):
        world.order("refused by one")
        ended = world.work()
        trial.check("refused by one: ends", ended.how == "done", ended.how)
    trial.injected["refused by one"] += 2
    _set_floors(world)


def _documents(world: SmallWorld) -> dict[str, int]:
    """Documents on which warehouses work, or have worked, by the order's base."""
    counts = world.documents()
    for row in world.demo.stage.read("_ledger")["documents"]:
        if row["state"] == "refused":
            counts[row["reference"].partition("-")[0]] -= 1
    return counts


def _is_doubled_unasked(world: SmallWorld, line: Proxy) -> bool:
    line.judge = Struck([LOST], is_deaf=True)
    placed = world.order("control")
    world.work(without=(Guard.DOCUMENT_ASKED,))
    line.judge = harmless
    return world.documents()[placed.base] > 1


def _set_floors(world: SmallWorld, **changes: Any) -> None:  # noqa: ANN401 - the fields of Floor
    for location in TOLD:
        _set_floor(world, location, **changes)


def _set_floor(world: SmallWorld, location: str, **changes: Any) -> None:  # noqa: ANN401 - as above
    floor = msgspec.structs.replace(TOLD[location], **changes)
    world.demo.stage.pull("set_warehouse", location=location, floor=msgspec.to_builtins(floor))
