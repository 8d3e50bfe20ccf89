"""Which settings file a command means when nobody names one.

The environment comes first, then ``orderlane.toml`` in the current folder. Without both, a command means the demo that
this user has started last; `remember_demo` has left its settings file's path in the user's state folder. A store of
real orders is never guessed.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from infra.config.settings import SETTINGS_FILE

# Each of these variables names the instance, or a part of it.
_NAMING = ("ORDERLANE_SETTINGS", "ORDERLANE_DATABASE_URL", "ORDERLANE_REDIS_URL", "ORDERLANE_DATA_DIR")
_MARKER = "orderlane/demo"


class SettingsSource(StrEnum):
    """What names the instance. `NOTHING`: no settings file was found."""

    ENVIRONMENT = "environment"
    FOLDER = "folder"
    DEMO = "demo"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Instance:
    """`settings_file` is known when the instance is a demo."""

    source: SettingsSource
    settings_file: Path | None = None


def find_instance(environ: Mapping[str, str] = os.environ, folder: Path | None = None) -> Instance:
    """The instance that a command means in `folder`, by default the current one."""
    if any(environ.get(name) for name in _NAMING):
        return Instance(SettingsSource.ENVIRONMENT)
    if ((folder or Path()) / SETTINGS_FILE).is_file():
        return Instance(SettingsSource.FOLDER)
    demo = _last_demo(environ)
    return Instance(SettingsSource.DEMO, demo) if demo else Instance(SettingsSource.NOTHING)


def remember_demo(settings_file: Path, environ: Mapping[str, str] = os.environ) -> None:
    """Let commands of this user find this demo. Without a home that can be written to, nothing is remembered."""
    marker = _marker(environ)
    if marker is None:
        return
    try:
        marker.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = marker.with_name(f"{marker.name}.{os.getpid()}")
        unfinished.write_text(f"{settings_file.resolve()}\n", encoding="utf-8")
        unfinished.replace(marker)
    except OSError:
        return


def _last_demo(environ: Mapping[str, str]) -> Path | None:
    """None where no demo was started, where its folder is gone, and where another user wrote the marker."""
    marker = _marker(environ)
    try:
        if marker is None or marker.stat().st_uid != os.geteuid():
            return None
        file = Path(marker.read_text(encoding="utf-8").strip())
        return file if file.is_absolute() and file.is_file() else None
    except (OSError, UnicodeDecodeError, ValueError):
        return None


def _marker(environ: Mapping[str, str]) -> Path | None:
    state = environ.get("XDG_STATE_HOME") or (environ["HOME"] + "/.local/state" if environ.get("HOME") else "")
    return Path(state) / _MARKER if state else None
