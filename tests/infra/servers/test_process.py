import signal
import subprocess
from pathlib import Path

import pytest

from domain.errors import Misconfigured
from infra.servers.os_account import service_account
from infra.servers.process import ServerProcess, end_leftovers


@pytest.fixture
def folder(homes) -> Path:
    place = homes("server")
    place.mkdir()
    place.chmod(0o755)
    return place


@pytest.fixture
def sleepers():
    """Starts processes that sleep in a folder, and ends them after the test."""
    started: list[subprocess.Popen] = []

    def start(folder: Path, program: str = "exec sleep 60") -> subprocess.Popen:
        command = ["/bin/sh", "-c", f"echo; {program}"]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE)
        process.stdout.readline()
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def server(folder: Path) -> ServerProcess:
    return ServerProcess("server", folder, folder / "server.log", service_account())


def test_only_the_named_programs_of_that_folder_are_ended(folder, homes, sleepers, eventually) -> None:
    elsewhere = homes("elsewhere")
    elsewhere.mkdir()
    ours, neighbour = sleepers(folder), sleepers(elsewhere)
    person = sleepers(folder, "read line < /dev/tty || tail -f /dev/null")
    eventually(lambda: Path(f"/proc/{ours.pid}/comm").read_text() == "sleep\n")
    assert end_leftovers(folder, {"sleep"}, signal.SIGTERM)
    assert ours.wait(10) == -signal.SIGTERM
    assert neighbour.poll() is None
    assert person.poll() is None


def test_what_does_not_listen_is_killed(folder, sleepers, monkeypatch, eventually) -> None:
    monkeypatch.setattr("infra.servers.process.STOP_DEADLINE_S", 0.05)
    deaf = sleepers(folder, "trap '' TERM; exec sleep 60")
    eventually(lambda: Path(f"/proc/{deaf.pid}/comm").read_text() == "sleep\n")
    end_leftovers(folder, {"sleep"}, signal.SIGTERM)
    assert deaf.wait(10) == -signal.SIGKILL


def test_a_server_that_ends_at_once_says_why(server: ServerProcess) -> None:
    command = ["/bin/sh", "-c", "echo broken beyond repair; exit 3"]
    with pytest.raises(Misconfigured, match="server_not_started") as caught:
        server.start(command, end_signal=signal.SIGTERM, is_ready=lambda: False)
    assert "broken beyond repair" in caught.value.message
    assert not server.is_running


def test_a_server_that_never_answers_is_given_up(server: ServerProcess, monkeypatch) -> None:
    monkeypatch.setattr("infra.servers.process.START_DEADLINE_S", 0.05)
    with pytest.raises(Misconfigured, match="server_not_started"):
        server.start(["/bin/sleep", "60"], end_signal=signal.SIGTERM, is_ready=lambda: False)
    assert not server.is_running


def test_a_server_that_finds_its_place_still_taken_is_tried_again(server: ServerProcess, folder: Path) -> None:
    marks = folder / "marks"
    marks.mkdir()
    marks.chmod(0o777)
    script = f"mkdir {marks}/first 2>/dev/null && echo shared memory is still in use && exit 1; exec sleep 60"
    tries = iter(range(1000))
    server.start(["/bin/sh", "-c", script], end_signal=signal.SIGTERM, is_ready=lambda: next(tries) > 20)
    assert server.is_running
    server.stop(signal.SIGTERM)
    assert not server.is_running


def test_the_log_of_the_run_before_is_kept(server: ServerProcess, folder: Path) -> None:
    for word in ("first", "second"):
        command = ["/bin/sh", "-c", f"echo {word}; exec sleep 60"]
        server.start(command, end_signal=signal.SIGTERM, is_ready=lambda word=word: word in server.tail())
        server.stop(signal.SIGTERM)
    assert (folder / "server.log").read_text() == "second\n"
    assert (folder / "server.log.1").read_text() == "first\n"
