"""Many processes whose threads all call a sick account, and one thread each a healthy one beside it.

``python -m drills.herd HOW REDIS_URL SICK_PORT WELL_PORT THREADS OPEN_S``: HOW is ``gate`` for our gate
or ``raw`` for pybreaker alone. Says when all are ready, begins with the first line of its input and stops with the
last; then says how often the healthy account was refused.
"""

import contextlib
import multiprocessing
import socket
import sys
import threading
from dataclasses import dataclass, field

import pybreaker

from domain.errors import Transient
from domain.gates import GateShut
from infra.accounts.account import AccountGate
from infra.accounts.rules import GateRules
from infra.accounts.shared_breaker import SharedGates, connect_gates
from infra.process.clock import SystemClock

PROCESSES = 8
GATE, RAW = "gate", "raw"
WELL = b"+"
_FAILURES_MAX = 5
_BREATH_S = 0.01
_TIMEOUT_S = 10.0
_SICK, _HEALTHY = 0, 1


@dataclass
class Callers:
    """Threads that call as fast as they are let. `ports`: of the sick and of the healthy account."""

    is_gated: bool
    redis_url: str
    ports: tuple[int, int]
    open_s: float
    stopping: threading.Event = field(default_factory=threading.Event)
    refused: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        rules = GateRules(failures_max=_FAILURES_MAX, open_ms=round(self.open_s * 1000))
        shared, clock = SharedGates(connect_gates(self.redis_url)), SystemClock()
        self._gates = [AccountGate(name, rules, shared, clock, share=1.0) for name in ("sick/a", "well/b")]
        self._raw = [
            pybreaker.CircuitBreaker(fail_max=_FAILURES_MAX, reset_timeout=self.open_s, throw_new_error_on_trip=False)
            for _ in self._gates
        ]

    def call_on(self, place: int) -> None:
        """Call one account until told to stop."""
        while not self.stopping.is_set():
            try:
                self._call(place)
            except (GateShut, pybreaker.CircuitBreakerError) as shut:
                if place == _HEALTHY:
                    self.refused.append(str(shut))
            except Transient:
                pass
            self.stopping.wait(_BREATH_S)

    def _call(self, place: int) -> None:
        if not self.is_gated:
            with self._raw[place].calling():
                _ask(self.ports[place])
            return
        call = self._gates[place].begin()
        try:
            _ask(self.ports[place])
        except Transient as error:
            call.end(error)
            raise
        call.end(None)


def _ask(port: int) -> None:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_S) as line:
        if line.recv(1) == WELL:
            return
    raise Transient("connection_failed")


def main(how: str, redis_url: str, ports: tuple[int, int], threads: int, open_s: float) -> None:
    """Fork the herd before there is any thread: a fresh interpreter for each would cost ten times as much."""
    fork = multiprocessing.get_context("fork")
    ready, go, stop, refused = fork.Barrier(PROCESSES + 1), fork.Event(), fork.Event(), fork.Value("i", 0)

    def one() -> None:
        callers = Callers(how == GATE, redis_url, ports, open_s)
        started = [threading.Thread(target=callers.call_on, args=(place,)) for place in [_SICK] * threads + [_HEALTHY]]
        ready.wait()
        go.wait()
        for thread in started:
            thread.start()
        stop.wait()
        callers.stopping.set()
        for thread in started:
            thread.join()
        with refused.get_lock():
            refused.value += len(callers.refused)

    processes = [fork.Process(target=one) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    ready.wait()
    _say("ready")
    sys.stdin.readline()
    go.set()
    sys.stdin.read()
    stop.set()
    for process in processes:
        process.join()
    _say(str(refused.value))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], (int(sys.argv[3]), int(sys.argv[4])), int(sys.argv[5]), float(sys.argv[6]))
