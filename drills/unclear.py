"""Drills in which a call succeeds and its answer is lost: at the courier, at the platform, at our own database."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from drills.checkers import check_all, letters_of
from drills.drill import Plan, Trial
from drills.proxy import Fault, Proxy
from drills.queries import DRILLS
from drills.small_world import SmallWorld, small_world
from drills.unguarded import Guard
from infra.engine.event_loop import EventLoopThread

CREATE, TELL, HOOK = b"EXP_RECE_CREATE_ORDER", b"taobao.logistics.offline.send", b"webhook-id"
TEXT = b"X-TC-Action: SendSms"
COMMIT = b"COMMIT\x00"
LOST = Fault("reply lost", is_lost=True)
ROUNDS, ROUNDS_QUICK = 20, 3
_TRIES_MAX = 5
_LAG_S = 2.0
# The courier counts from the booking, we from the end of our call.
_SETTLED_S = 0.5
_PATIENCE_S = 30.0


@dataclass
class OnceEach:
    """Loses the reply to the request of that number, counted from 1, which contains `mark`."""

    mark: bytes
    number: int = 1
    seen: int = field(default=0, init=False)

    def __call__(self, request: bytes) -> Fault | None:
        if self.mark not in request:
            return None
        self.seen += 1
        return LOST if self.seen == self.number else None


def done_but_unheard(plan: Plan) -> Trial:
    """Booking, write-back and both notices are carried out, and the answer is lost: each happens once, although the
    call is repeated or asked about.
    """
    trial = Trial(control="asked again without looking, at a courier that knows no references: two waybills")
    with small_world(plan) as world, sandbox_line(world) as line:
        for mark in (CREATE, TELL, HOOK, TEXT):
            for _ in range(ROUNDS_QUICK if plan.is_quick else ROUNDS):
                line.judge = OnceEach(mark)
                world.order(mark.decode())
                ended = world.work()
                if ended.how != "done":
                    trial.check(mark.decode(), holds=False, seen=ended.how)
        trial.injected["reply lost"] += line.struck["reply lost"]
        trial.check("every reply was lost", line.struck["reply lost"] == len(world.placed), line.struck["reply lost"])
        check_all(world.demo, trial)
        line.judge = OnceEach(CREATE)
        world.demo.stage.pull("set_courier", can_find=False, knows_references=False)
        placed = world.order("control")
        world.work(can_find=False, is_idempotent=True)
        trial.harm_shown = world.shipments()[placed.base] > 1
    return trial


def nobody_can_tell(plan: Plan) -> Trial:
    """The same at a courier with neither look-up nor idempotency: one call, then a person decides."""
    trial = Trial(control="believed idempotent: two waybills")
    with small_world(plan) as world, sandbox_line(world) as line:
        world.demo.stage.pull("set_courier", can_find=False, knows_references=False)
        for is_guarded in (True, False):
            line.judge = OnceEach(CREATE)
            placed = world.order("label")
            ended = world.work(can_find=False, is_idempotent=not is_guarded)
            shipments = world.shipments()[placed.base]
            if not is_guarded:
                trial.harm_shown = shipments > 1
                continue
            trial.injected["reply lost"] += line.struck["reply lost"]
            trial.check("one call", shipments == 1, shipments)
            trial.check(
                "the order waits for a person", ended.how == "done" and world.number(DRILLS["held"]) == 1, ended.how
            )
    return trial


def late_look_up(plan: Plan) -> Trial:
    """The answer to a booking is lost, and a look-up shows it seconds later, at a courier that knows no references."""
    trial = Trial(control="look-up believed at once: two waybills")
    with small_world(plan) as world, sandbox_line(world) as line:
        world.demo.stage.pull("set_courier", knows_references=False, look_up_lag_s=_LAG_S)
        for lag_s in (_LAG_S + _SETTLED_S, 0.0):
            line.judge = OnceEach(CREATE)
            placed = world.order("label")
            deadline = time.monotonic() + _PATIENCE_S
            while world.go_on(find_lag_s=lag_s, is_idempotent=False).how != "done" and time.monotonic() < deadline:
                trial.injected["look-up put off"] += lag_s > 0
            shipments = world.shipments()[placed.base]
            if lag_s == 0.0:
                trial.harm_shown = shipments > 1
                continue
            trial.injected["reply lost"] += line.struck["reply lost"]
            trial.check("one call", shipments == 1, shipments)
            check_all(world.demo, trial)
    return trial


def one_number_for_two(plan: Plan) -> Trial:
    """The courier answers with the waybill of another package: it is refused, and a person hears of it."""
    trial = Trial(control="unique index dropped: two packages with one waybill")
    with small_world(plan) as world:
        world.order("the rightful owner")
        world.work()
        [number, *_] = [row["number"] for row in world.demo.stage.read("_ledger")["waybills"]]
        world.demo.stage.pull("set_courier", gives_always=number)
        world.order("the other one")
        # Each try waits until the one before it may no longer be talking to the courier.
        while world.work().how == "stuck" and trial.injected["waybill given again"] < _TRIES_MAX:
            trial.injected["waybill given again"] += 1
        shared = world.number(DRILLS["shared_waybills"])
        trial.check("one package a waybill", shared == 0, shared)
        letters = letters_of(world.demo)
        trial.check("its dead letter", [row[0] for row in letters] == ["label"], letters)
        world.execute(DRILLS["drop_guard"])
        world.order("control")
        world.work()
        trial.harm_shown = world.number(DRILLS["shared_waybills"]) > 0
    return trial


def lost_commits(plan: Plan) -> Trial:
    """Postgres commits and its answer is lost, at the first commit of an order's way, the second, and so on."""
    trial = Trial(control="nobody looks for the dead: a lease left behind stays")
    step = 5 if plan.is_quick else 1
    with small_world(plan) as world, _database_line(world) as line:
        number = 1
        while True:
            line.judge = judge = OnceEach(COMMIT, number)
            world.order(f"commit {number}")
            ended = world.work()
            if ended.how == "stuck":
                # A lease nobody knows of, not even its holder: it ends by itself, or as here with its process.
                trial.injected["lease left behind"] += 1
                if trial.harm_shown is None:
                    trial.harm_shown = world.work(without=(Guard.DEATH_WATCH,)).how == "stuck"
                ended = world.work()
            if ended.how != "done":
                trial.check(f"commit {number}", holds=False, seen=ended.how)
            if judge.seen < number:
                break
            number += step
        trial.injected["commit unheard"] += line.struck["reply lost"]
        trial.check("commits of one way", number > step, number - step)
        check_all(world.demo, trial)
    return trial


@contextmanager
def sandbox_line(world: SmallWorld) -> Iterator[Proxy]:
    """A proxy before the sandbox, and settings that lead through it."""
    url = world.demo.stage.sandbox_url
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    file = world.demo.stage.settings_file
    with EventLoopThread() as event_loop, Proxy(event_loop, (parts.hostname, parts.port)) as line:
        file.write_text(file.read_text().replace(url, f"http://127.0.0.1:{line.port}"))
        yield line


@contextmanager
def _database_line(world: SmallWorld) -> Iterator[Proxy]:
    """A proxy before Postgres, and workers that go through it."""
    url = world.fork_server.environ["ORDERLANE_DATABASE_URL"]
    name = ".s.PGSQL.5432"
    there = Path(str(conninfo_to_dict(url)["host"])) / name
    folder = world.demo.stage.folder / "line"
    folder.mkdir()
    with EventLoopThread() as event_loop, Proxy(event_loop, there, folder / name) as line:
        world.fork_server.environ = {
            **world.fork_server.environ,
            "ORDERLANE_DATABASE_URL": make_conninfo(url, host=str(folder)),
        }
        yield line
