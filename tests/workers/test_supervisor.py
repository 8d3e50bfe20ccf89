import threading
import time

import pytest

from infra.config.settings import Settings
from infra.config.worker_settings import WorkerPool, Workers
from workers import supervisor as module
from workers.supervisor import ProcessRole, Supervisor, roles, supervised

DEADLINE_S = 60.0
# Says that it is up, and after SIGTERM works on until it may go.
WORKER = """
import pathlib, signal, sys, time
name, folder = sys.argv[1], pathlib.Path(sys.argv[2])
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
(folder / f"{name}.up").touch()
while not asked:
    time.sleep(0.01)
(folder / f"{name}.asked").touch()
while not (folder / "go").exists():
    time.sleep(0.01)
(folder / f"{name}.done").touch()
"""


def role(folder, pool, number):
    name = f"{pool}-{number}"
    return ProcessRole(name, ("-c", WORKER, name, str(folder)), pool)


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A supervisor of pool `main` with one process of the kind above."""
    monkeypatch.setattr(module, "worker_role", lambda pool, number: role(tmp_path, pool, number))
    with supervised(Supervisor([role(tmp_path, "main", 1)], {})) as supervisor:
        yield supervisor
        (tmp_path / "go").touch()


@pytest.fixture
def until(house):
    def until(condition):
        pause, ends_at = threading.Event(), time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < ends_at, "not in time"
            house.tend()
            pause.wait(0.01)

    return until


def names(folder, ending):
    return {file.stem for file in folder.glob(f"*.{ending}")}


def test_a_pool_grows_by_what_is_missing(house, until, tmp_path) -> None:
    house.resize("main", 3)
    assert house.size("main") == 3
    until(lambda: names(tmp_path, "up") == {"main-1", "main-2", "main-3"})


def test_the_newest_are_asked_to_finish_and_leave_when_they_have(house, until, tmp_path) -> None:
    house.resize("main", 3)
    until(lambda: len(names(tmp_path, "up")) == 3)
    house.resize("main", 1)
    assert house.size("main") == 1
    until(lambda: names(tmp_path, "asked") == {"main-2", "main-3"})
    assert len(house.pids("main")) == 3, "whoever has work in hand is not forced"
    (tmp_path / "go").touch()
    until(lambda: len(house.pids("main")) == 1)
    assert names(tmp_path, "done") == {"main-2", "main-3"}
    assert house.restarts == 0


def test_whoever_hangs_after_its_drain_is_ended_by_force(house, until, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(module, "FORCE_AFTER_S", 0.0)
    house.drain_s = 0.1
    house.resize("main", 2)
    until(lambda: len(names(tmp_path, "up")) == 2)
    house.resize("main", 1)
    until(lambda: len(house.pids("main")) == 1)
    assert names(tmp_path, "done") == set()
    assert house.restarts == 0


def test_a_name_that_is_still_leaving_is_not_given_again(house, until, tmp_path) -> None:
    house.resize("main", 2)
    until(lambda: len(names(tmp_path, "up")) == 2)
    house.resize("main", 1)
    house.resize("main", 2)
    until(lambda: names(tmp_path, "up") == {"main-1", "main-2", "main-3"})


def test_whoever_dies_without_being_asked_is_started_again(house, until, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(module, "RESTART_PAUSE_S", 0.0)
    until(lambda: names(tmp_path, "up"))
    [pid] = house.pids("main")
    house._children[0].process.kill()
    until(lambda: house.restarts == 1 and house.pids("main") not in ([], [pid]))


def test_whoever_takes_longer_than_a_drain_may_is_ended_by_force(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(module, "FORCE_AFTER_S", 0.0)
    supervisor = Supervisor([role(tmp_path, "main", 1)], {}, drain_s=0.1)
    with supervised(supervisor):
        pause = threading.Event()
        while not names(tmp_path, "up"):
            pause.wait(0.01)
        process = supervisor._children[0].process
    assert process.returncode == -9


def test_the_house_starts_every_pool_at_its_least() -> None:
    pools = (
        WorkerPool(name="main", processes=2, processes_max=5),
        WorkerPool(name="bulk", processes=0, processes_max=1),
    )
    started = [(one.name, one.command[-1]) for one in roles(Settings(workers=Workers(pools=pools)))]
    assert started == [
        ("main-1", "main"),
        ("main-2", "main"),
        ("p0-1", "p0"),
        ("sweeper", "workers.sweeper"),
    ]
