"""One scene: stores, sandbox, what waits, the worker processes, and urgent orders through all of it."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.priority.backlog import PRIORITY, fill_up, stock_shelves
from benchmarks.priority.feed import Feed, feeding
from benchmarks.surroundings import describe, private_stores
from infra.config.settings import Settings, read_settings
from infra.tables.pool import Database
from sandbox.spec import Arrival, Dirt
from workers.demo.run import RunningDemo, prepared
from workers.demo.stage import Script, make_spec
from workers.demo.warehouses import UNTOLD
from workers.run_all import environment_of
from workers.supervisor import ProcessRole, Supervisor, roles, supervised

# Everything flows: a held order would say nothing about waiting.
SPOTLESS = Dirt(presale_open=0.0, refund_asked=0.0, vague_address=0.0, short_stock=0.0, unpaid=0.0, closed=0.0)
_WARM_UP = 10
SETTLE_S = 120.0
_NEVER = 1e-9
_LOOK_S = 0.05

Points = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Scene:
    """What happens. Rates are orders a second; `courier_ms`: how long each courier call takes on top.

    `shape` of the worker processes: `shared`, two serve every lane and one p0 alone; `parted`, two serve the lower
    lanes, with a lower claim to the processor, and one p0 alone.
    """

    waiting: int
    urgent: int
    urgent_per_second: float
    bulk_per_second: float
    courier_ms: float
    ship_on: str
    threads: int
    shape: str = "parted"
    shops: int = 5
    is_control: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """Latencies in seconds from the payload stored to the write-back confirmed, with the second they began at.

    `bulk` ones by the second they ended at. `lanes`: steps done meanwhile, by lane. `left`: due rows when the last
    urgent order had been stored, so that nobody takes an emptied backlog for a flood; `fed_s`: when that was, so that
    nobody takes a slow feed for a steady one.
    """

    urgent: Points
    bulk: Points
    lanes: Mapping[str, int]
    seconds: float
    waited: Mapping[str, int]
    left: int
    fed_s: float
    unfinished: int
    holds: Sequence[str]
    settings: Mapping[str, Any]

    @property
    def bulk_share(self) -> float:
        done = sum(self.lanes.values())
        return (done - self.lanes.get("p0", 0)) / done if done else 0.0


def play(base: Settings, scene: Scene) -> Seen:
    """Let the backlog wait, start the workers, store urgent orders, and read what became of them."""
    with staged(base, scene) as (demo, settings, stores):
        waited = fill_up(settings, demo.db, scene.waiting) if scene.waiting else {}
        with demo.db.transaction() as tx:
            tx.execute(PRIORITY["rest_pulls"])
        demo.stage.pull("set_latency", sf_ms=scene.courier_ms)
        with feeding(settings, demo.stage, is_control=scene.is_control) as feed, working(demo, settings, scene):
            warm_up(demo.db, feed)
            since = _now(demo.db)
            began = time.monotonic()
            tids = feed.run(scene.urgent, scene.urgent_per_second, scene.bulk_per_second if scene.waiting else 0.001)
            left, fed_s = _left(demo.db), time.monotonic() - began
            await_confirmed(demo.db, tids)
            seconds = time.monotonic() - began
            settings_shown = describe(stores)
            return _read(
                demo.db, tids, since, waited=waited, left=left, fed_s=fed_s, seconds=seconds, settings=settings_shown
            )


@contextmanager
def staged(base: Settings, scene: Scene) -> Iterator[tuple[RunningDemo, Settings, Any]]:
    """Stores, sandbox and settings of a scene; shelves full, no worker yet."""
    script = Script(
        max(scene.waiting, 50),
        None,
        7,
        0.0,
        processes=0,
        threads=scene.threads,
        shops=scene.shops,
        dirt=SPOTLESS,
        floors=UNTOLD,
    )
    arrival = Arrival(per_second=0.0 if scene.waiting else _NEVER)
    spec = msgspec.structs.replace(make_spec(script), p0_share=0.0, arrival=arrival)
    with private_stores(base) as stores:
        given = msgspec.structs.replace(base.stores, database_url=stores.database_url, redis_url=stores.redis_url)
        with prepared(msgspec.structs.replace(base, stores=given), script, spec) as demo:
            with demo.db.transaction() as tx:
                stock_shelves(tx)
            file = _settings_file(demo, scene)
            yield demo, read_settings(file, environment_of(file, stores)), stores


@contextmanager
def working(demo: RunningDemo, settings: Settings, scene: Scene) -> Iterator[None]:
    """The worker processes and the sweeper of the engine, or as many of the control's."""
    file = demo.stage.folder / _FILE
    stores = {
        "ORDERLANE_SETTINGS": str(file),
        "ORDERLANE_DATABASE_URL": settings.stores.database_url.reveal(),
        "ORDERLANE_REDIS_URL": settings.stores.redis_url.reveal(),
    }
    with (demo.stage.folder / "flood.log").open("wb") as log:
        chosen = _control_roles(settings) if scene.is_control else roles(settings)
        with supervised(Supervisor(chosen, stores, log_file=log.fileno())):
            yield


_FILE = "flood.toml"


def _settings_file(demo: RunningDemo, scene: Scene) -> Path:
    """The demo's settings with the scene's pools, beside them so that their secrets are found."""
    tree = msgspec.toml.decode(demo.stage.settings_file.read_bytes())
    tree["workers"] = {"pools": _pools(scene)}
    for shop in tree["shops"]:
        shop["ship_on"] = scene.ship_on
    tree["log_level"] = "warning"
    # A merchant's limits: the demo's short ones are for faults, and a full machine would look like one.
    del tree["door"], tree["engine"]
    file = demo.stage.folder / _FILE
    file.write_bytes(msgspec.toml.encode(tree))
    return file


def _pools(scene: Scene) -> list[dict[str, Any]]:
    lower = {"lanes": ["p1", "bulk"], "nice": 19} if scene.shape == "parted" else {}
    return [
        {"name": "worker", "processes": 2, "threads": scene.threads, **lower},
        {"name": "p0", "lanes": ["p0"], "processes": 1, "threads": scene.threads},
    ]


def _control_roles(settings: Settings) -> list[ProcessRole]:
    """The same pools, served by the control."""
    command = ("-m", "benchmarks.priority.control")
    workers = [
        ProcessRole(f"{pool.name}-{number}", (*command, "worker", pool.name))
        for pool in settings.workers.all_pools()
        for number in range(pool.processes)
    ]
    return [*workers, ProcessRole("sweeper", (*command, "sweeper"))]


def warm_up(db: Database, feed: Feed) -> None:
    """Until some urgent orders are through: every process is up, and has loaded what it needs."""
    await_confirmed(db, feed.run(_WARM_UP, 5.0, 0.001))


def await_confirmed(db: Database, tids: Sequence[str]) -> None:
    """Until all are written back; who is not in time stays unfinished and is counted."""
    deadline = time.monotonic() + SETTLE_S
    while _confirmed(db, tids) < len(tids) and time.monotonic() < deadline:
        time.sleep(_LOOK_S)


def _confirmed(db: Database, tids: Sequence[str]) -> int:
    with db.connection() as connection:
        row = connection.execute(PRIORITY["confirmed"], {"tids": list(tids)}).fetchone()
    assert row is not None
    return int(row[0])


def _left(db: Database) -> int:
    with db.connection() as connection:
        return sum(count for _, count in connection.execute(PRIORITY["waiting"]))


def _now(db: Database) -> datetime:
    with db.connection() as connection:
        row = connection.execute("SELECT now()").fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment


def _read(db: Database, tids: Sequence[str], since: datetime, **known: Any) -> Seen:  # noqa: ANN401 - fields of Seen
    asked = {"since": since, "tids": list(tids), "until": _now(db)}
    with db.connection() as connection:
        rows = connection.execute(PRIORITY["latencies"], asked).fetchall()
        bulk = connection.execute(PRIORITY["bulk_latencies"], asked).fetchall()
        lanes = dict(connection.execute(PRIORITY["steps_done"], asked).fetchall())
        holds = [code for _, code in connection.execute(PRIORITY["held"], asked)]
    return Seen(
        urgent=[(float(at), float(latency)) for _, at, latency in rows],
        bulk=[(float(at), float(latency)) for at, latency in bulk],
        lanes=lanes,
        unfinished=len(tids) - len(rows),
        holds=holds,
        **known,
    )
