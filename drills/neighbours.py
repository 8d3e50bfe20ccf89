"""Drills with an account whose server fails, and the effect on other accounts."""

import socketserver
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec

from domain.gates import GateKind
from drills.checkers import check_all, number
from drills.course import hurt, look, script, until
from drills.drill import Plan, Trial
from drills.herd import GATE, PROCESSES, RAW, WELL
from drills.proxy import Fault, Proxy, harmless
from drills.queries import DRILLS
from infra.accounts.shared_breaker import SharedGates, connect_gates
from infra.engine.author import Author
from infra.engine.event_loop import EventLoopThread
from infra.servers import EmbeddedStores
from ops.verbs import gates
from workers.demo.run import RunningDemo, prepared
from workers.demo.stage import demo_folder
from workers.supervisor import supervised

THREADS, OPEN_S = 8, 0.4
RUN_S, RUN_QUICK_S = 4.0, 2.4
# Answers of a sick server take a while, so that a herd has time to gather.
SICK_ANSWER_S = 0.1
# Of its calls alone, what a healthy account makes beside a sick one on a busy machine.
_SHARE_LEFT = 0.5
_HERD = 5
_ORDERS, _ORDERS_QUICK = 160, 80
_BREAKER_OPEN_S, _SICK_S = 2.0, 6.0
_SICK_ANSWER = Fault("sick answer", reply=b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")
_SICK, _HEALTHY = "sf/second", "sf/main"
_DRILL = Author("drill", "label waits until it has two couriers")


@dataclass(frozen=True, slots=True)
class Herd:
    """When the sick server was called after its first intervals; calls of the healthy one, and its refusals."""

    probes: tuple[float, ...]
    well: int
    refused: int

    @property
    def is_alone(self) -> bool:
        """At most one probe in each interval, over all processes; half of one for the way to the server."""
        probes = self.probes
        return len(probes) > 1 and (len(probes) - 1) * OPEN_S <= probes[-1] - probes[0] + OPEN_S / 2


def breaker_herd(plan: Plan) -> Trial:
    """Eight processes of eight threads at a sick account, and one thread each at a healthy one."""
    trial = Trial(control="pybreaker alone: every process probes, with several threads at once")
    run_s = RUN_QUICK_S if plan.is_quick else RUN_S
    with EmbeddedStores(plan.base, demo_folder(plan.base) / "stores") as stores:
        redis_url = stores.connection.redis_url.reveal()
        quiet = gather(GATE, redis_url, run_s, threads=0)
        guarded = gather(GATE, redis_url, run_s)
        raw = gather(RAW, redis_url, run_s)
    trial.injected["thread at a sick account"] += PROCESSES * THREADS
    trial.check("one probe in each interval in total", guarded.is_alone, len(guarded.probes))
    trial.check("the healthy one is never refused", guarded.refused == 0, guarded.refused)
    kept = guarded.well / max(1, quiet.well)
    trial.check("the healthy one keeps its calls", kept > _SHARE_LEFT, f"{kept:.0%} of {quiet.well}")
    trial.harm_shown = len(raw.probes) > _HERD * run_s / OPEN_S
    return trial


def sick_neighbour(plan: Plan) -> Trial:
    """One of two couriers is sick: the other's packages are booked meanwhile, and only real calls spend attempts."""
    trial = Trial()
    orders = _ORDERS_QUICK if plan.is_quick else _ORDERS
    with prepared(plan.base, script(plan, orders)) as demo, _second_courier(demo) as line:
        gates.pause(demo.db, GateKind.STEP, "label", _DRILL, None)
        with supervised(demo.supervisor):
            trial.check("all packages wait", until(demo, lambda: _all_wait(demo)))
            with demo.db.transaction() as tx:
                shared = len(tx.execute(DRILLS["share_labels"], {"account": _SICK}).fetchall())
                tx.execute(DRILLS["share_packages"], {"account": _SICK})
            trial.injected["package for a sick courier"] += shared
            line.judge = lambda _request: _SICK_ANSWER
            resume_step(demo, "label", _DRILL)
            trial.check("the other's are booked", until(demo, lambda: _waiting(demo)[_HEALTHY] == 0), _waiting(demo))
            _check_quiet(demo, line, trial)
            trial.check("none of the sick one's is", _waiting(demo)[_SICK] == shared, _waiting(demo))
            line.judge = harmless
            trial.check("all ended", hurt(demo, (), trial), dict(look(demo).states))
            check_all(demo, trial)
    return trial


def resume_step(demo: RunningDemo, step: str, author: Author) -> None:
    with closing(connect_gates(demo.settings.stores.redis_url.reveal())) as client:
        gates.resume(demo.db, SharedGates(client), GateKind.STEP, step, author, settings=demo.settings)


def _check_quiet(demo: RunningDemo, line: Proxy, trial: Trial) -> None:
    """An open breaker lets one probe through in each interval; nobody spends an attempt for what it refuses."""
    before = line.struck[_SICK_ANSWER.name]
    ends_at = time.monotonic() + _SICK_S
    until(demo, lambda: time.monotonic() > ends_at)
    called = line.struck[_SICK_ANSWER.name]
    probes = called - before
    trial.injected["call in vain"] += called
    most = _SICK_S / _BREAKER_OPEN_S + 1
    trial.check("one probe in each interval", 0 < probes <= most, probes)
    spent = number(demo, DRILLS["spent_on_labels"])
    trial.check("only calls spend attempts", spent <= called, f"{spent} of {called}")


@contextmanager
def _second_courier(demo: RunningDemo) -> Iterator[Proxy]:
    """A second account at the same courier, over a line of its own, and breakers that are probed often."""
    file = demo.stage.settings_file
    tree = msgspec.toml.decode(file.read_bytes())
    parts = urlsplit(demo.stage.sandbox_url)
    assert parts.hostname is not None
    assert parts.port is not None
    with EventLoopThread() as event_loop, Proxy(event_loop, (parts.hostname, parts.port)) as line:
        first = tree["couriers"][0]
        through = first["endpoint"].replace(demo.stage.sandbox_url, f"http://127.0.0.1:{line.port}")
        tree["couriers"].append({**first, "name": _SICK.partition("/")[2], "endpoint": through})
        tree["guard"] = {"open_s": _BREAKER_OPEN_S}
        file.write_bytes(msgspec.toml.encode(tree))
        yield line


def _all_wait(demo: RunningDemo) -> bool:
    """Every order has come and is either held or waits for its label."""
    now = look(demo)
    waiting = sum(_waiting(demo).values())
    return now.stored == now.total and waiting == now.states.get("allocated", 0) and waiting == now.due


def _waiting(demo: RunningDemo) -> Counter[str]:
    """Labels to be made, by account."""
    with demo.db.connection() as connection:
        return Counter(dict(connection.execute(DRILLS["waiting_labels"]).fetchall()))


def gather(how: str, redis_url: str, run_s: float, *, threads: int = THREADS) -> Herd:
    """Let a herd call for so long."""
    with _serving(b"") as sick, _serving(WELL) as well:
        arguments = [how, redis_url, sick.port, well.port, threads, OPEN_S]
        command = [sys.executable, "-m", "drills.herd", *map(str, arguments)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as herd:  # noqa: S603 - our own module
            assert herd.stdin is not None
            assert herd.stdout is not None
            herd.stdout.readline()
            herd.stdin.write("go\n")
            herd.stdin.flush()
            started = time.monotonic()
            # The calls of a fixed time are counted.
            time.sleep(run_s)
            # Everybody has started and heard of the open breaker after the first interval.
            probes = tuple(at for at in sick.calls if at > started + 2 * OPEN_S)
            calls = len(well.calls)
            # What they have logged stands before it.
            refused = int(herd.communicate()[0].splitlines()[-1])
    return Herd(probes, calls, refused)


class _Server(socketserver.ThreadingTCPServer):
    """Says `WELL`, or is sick and hangs up after a while; notes when it was called."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, answer: bytes) -> None:
        self.calls: list[float] = []
        self.answer = answer
        super().__init__(("127.0.0.1", 0), _Answer)

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Answer(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        self.server.calls.append(time.monotonic())
        if self.server.answer:
            self.request.sendall(self.server.answer)
        else:
            # A sick server takes its time before it hangs up.
            time.sleep(SICK_ANSWER_S)


@contextmanager
def _serving(answer: bytes) -> Iterator[_Server]:
    with _Server(answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
