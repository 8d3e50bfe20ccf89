"""One of many processes whose threads all call a sick account, and a healthy one beside it.

Started as ``python herd.py HOW REDIS_URL SICK_PORT WELL_PORT THREADS OPEN_S``; runs while its standard input is open.
"""

import socket
import sys
import threading

import pybreaker

from domain.errors import Transient
from domain.gates import GateShut
from infra.clock import SystemClock
from infra.guard.account import AccountGate
from infra.guard.rules import Rules
from infra.guard.shared import SharedGates, connect_gates

stopping = threading.Event()
refused: list[str] = []


def call(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        if connection.recv(1) != b"+":
            raise Transient("connection_failed")


def say(line: object) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def guarded(gate: AccountGate, port: int) -> None:
    one = gate.begin()
    try:
        call(port)
    except Transient as error:
        one.end(error)
        raise
    one.end(None)


def main(how: str, url: str, ports: tuple[int, int], threads: int, open_s: float) -> None:
    rules = Rules(failures_max=5, open_ms=round(open_s * 1000))
    shared = SharedGates(connect_gates(url))
    gates = [AccountGate(name, rules, shared, SystemClock(), share=1.0) for name in ("sick/a", "well/b")]
    raw = [pybreaker.CircuitBreaker(fail_max=5, reset_timeout=open_s, throw_new_error_on_trip=False) for _ in range(2)]

    def one_call(place: int) -> None:
        if how == "gate":
            guarded(gates[place], ports[place])
        else:
            with raw[place].calling():
                call(ports[place])

    def loop(place: int) -> None:
        while not stopping.is_set():
            try:
                one_call(place)
            except (GateShut, pybreaker.CircuitBreakerError) as shut:
                if place == 1:
                    refused.append(str(shut))
            except Transient:
                pass
            stopping.wait(0.01)

    started = [threading.Thread(target=loop, args=(place,)) for place in [0] * threads + [1]]
    say("ready")
    sys.stdin.readline()
    for thread in started:
        thread.start()
    sys.stdin.read()
    stopping.set()
    for thread in started:
        thread.join()
    say(len(refused))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], (int(sys.argv[3]), int(sys.argv[4])), int(sys.argv[5]), float(sys.argv[6]))
