"""One run: a store filled with old orders, and new ones played through it by the engine in one thread."""

from dataclasses import dataclass, replace
from typing import Any

import msgspec

from benchmarks.floor.recording import Statement, Tape, TapedDatabase
from benchmarks.loop import engine_loop
from benchmarks.storage.plans import Plan, examples, explain
from benchmarks.storage.store import buffers, fill
from benchmarks.surroundings import describe, private_stores
from infra.config.settings import Settings
from infra.tables.pool import Database
from workers.demo.run import RunningDemo, prepared
from workers.demo.stage import Script

_CONNECTIONS = 8
# Longer than the warehouse takes from one scan to the next.
_QUIET_S = 3.0


@dataclass(frozen=True, slots=True)
class Cost:
    """By new order: statements sent, buffers asked for. `done`: new ones that were written back; `fill_s`: what the
    old ones took.
    """

    stored: int
    statements: float
    buffers: float
    done: int
    fill_s: float
    surroundings: dict[str, Any]
    plans: dict[str, Plan]


def measure(base: Settings, script: Script, stored: int) -> Cost:
    """Fill, then play `script`."""
    with private_stores(base) as stores:
        given = msgspec.structs.replace(base.stores, database_url=stores.database_url, redis_url=stores.redis_url)
        with prepared(msgspec.structs.replace(base, stores=given), replace(script, processes=0)) as demo:
            fill_s = fill(stores, stored)
            tape = Tape()
            before = buffers(stores)
            statements = _play(demo, tape)
            used = buffers(stores) - before
            return Cost(
                stored=stored,
                statements=statements / script.orders,
                buffers=used / script.orders,
                done=demo.stage.read("_progress")["written_back"],
                fill_s=fill_s,
                surroundings=describe(stores),
                plans=explain(stores, examples(tape.acts)),
            )


def _play(demo: RunningDemo, tape: Tape) -> int:
    """Play everything; return the number of statements."""
    url = demo.settings.stores.database_url.reveal()
    with (
        Database(url, 2) as watching,
        TapedDatabase(url, _CONNECTIONS, tape) as db,
        engine_loop(demo.settings, db, watching) as loop,
    ):
        tape.is_on = True
        loop.run_all(_QUIET_S)
        tape.is_on = False
        return sum(isinstance(act, Statement) for act in tape.acts)
