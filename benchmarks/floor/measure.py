"""One round: play and record, then replay on fresh stores against a fresh sandbox with the same stream."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import msgspec

from adapters import registry
from benchmarks import processes
from benchmarks.floor.play import Agenda, play
from benchmarks.floor.recording import Pause, Tape, TapedClient, TapedDatabase
from benchmarks.floor.replay import moved, replay
from benchmarks.peers.course import is_through
from benchmarks.peers.plain import first_work, plain_chain
from benchmarks.surroundings import postmaster_pid, private_stores
from infra.config.settings import Settings
from infra.process.clock import SystemClock
from infra.servers import Connection
from sandbox.spec import Spec, read_spec
from workers.demo.run import RunningDemo, prepared
from workers.demo.stage import Script

_CONNECTIONS = 4


class Floor(msgspec.Struct, frozen=True):
    """CPU-milliseconds an order. `client_*` and `postgres`: of the replay; `play_*`: of the play before it."""

    client_statements: float
    client_calls: float
    postgres: float
    sandbox: float
    play_client: float
    play_postgres: float
    statements: float
    commits: float
    calls: float
    refused: float

    @property
    def cpu_ms(self) -> float:
        """The floor: client and Postgres. The sandbox stands apart, and there is no Redis."""
        return self.client_statements + self.client_calls + self.postgres


def measure_floor(base: Settings, script: Script, batch_max: int) -> Floor:
    """Play a stream, then replay what it said. Raises what a step raises: a clean stream has no failures."""
    with _fresh(base, script) as (demo, stores):
        tape = Tape()
        cpu, postgres = time.process_time(), _postgres(stores)
        _record(demo, tape, batch_max)
        played = (time.process_time() - cpu, postgres.used())
        spec = read_spec(demo.stage.folder / "sandbox.json")
        old = demo.stage.sandbox_url
    with _fresh(base, script, spec) as (demo, stores):
        acts = moved(tape.acts, old, demo.stage.sandbox_url)
        postgres, sandbox = _postgres(stores), processes.own_cpu_s(demo.stage.sandbox_pid)
        use = replay(acts, stores.database_url.reveal())
        each = 1000 / script.orders
        return Floor(
            client_statements=use.statements_cpu_s * each,
            client_calls=use.calls_cpu_s * each,
            postgres=postgres.used() * each,
            sandbox=(processes.own_cpu_s(demo.stage.sandbox_pid) - sandbox) * each,
            play_client=played[0] * each,
            play_postgres=played[1] * each,
            statements=use.statements / script.orders,
            commits=use.commits / script.orders,
            calls=use.calls / script.orders,
            refused=use.refused / script.orders,
        )


class _CpuOf:
    """CPU-seconds of a process tree since now."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._before = processes.cpu_s(pid)

    def used(self) -> float:
        return processes.cpu_s(self._pid) - self._before


def _postgres(stores: Connection) -> _CpuOf:
    return _CpuOf(postmaster_pid(stores))


@contextmanager
def _fresh(base: Settings, script: Script, spec: Spec | None = None) -> Iterator[tuple[RunningDemo, Connection]]:
    with private_stores(base) as stores:
        given = msgspec.structs.replace(base.stores, database_url=stores.database_url, redis_url=stores.redis_url)
        script = replace(script, processes=0)
        with prepared(msgspec.structs.replace(base, stores=given), script, spec) as demo:
            yield demo, stores


def _record(demo: RunningDemo, tape: Tape, batch_max: int) -> None:
    agenda = Agenda(batch_max)
    settings = demo.settings
    clock = SystemClock()
    http = TapedClient(settings, registry.hosts(settings), clock, tape)

    def pause(seconds: float) -> None:
        tape.add(Pause(seconds))
        time.sleep(seconds)

    url = settings.stores.database_url.reveal()
    with (
        TapedDatabase(url, _CONNECTIONS, tape) as db,
        plain_chain(settings, db, agenda.add, http=http) as chain,
    ):
        agenda.add(first_work(demo.db, settings))
        tape.is_on = True
        play(chain, agenda, pause, lambda: is_through(demo))
        tape.is_on = False
