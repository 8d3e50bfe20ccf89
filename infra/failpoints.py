"""Named places where a test or a drill may hurt the engine. Free when none is armed.

Armed through ``ORDERLANE_FAILPOINTS``, a JSON list of objects with ``at`` (the failpoint's name),
``do`` (``raise``, ``postgres`` or ``kill``) and ``subjects`` (ids, or absent for all).
"""

import json
import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg import Connection

ENVIRONMENT_KEY = "ORDERLANE_FAILPOINTS"


class FailpointError(Exception):
    """What a failpoint with ``do: raise`` raises: a stand-in for a bug."""


def _read(text: str) -> dict[str, list[tuple[str, frozenset[int] | None]]]:
    armed: dict[str, list[tuple[str, frozenset[int] | None]]] = {}
    for entry in json.loads(text or "[]"):
        subjects = frozenset(entry["subjects"]) if "subjects" in entry else None
        armed.setdefault(entry["at"], []).append((entry["do"], subjects))
    return armed


_armed = _read(os.environ.get(ENVIRONMENT_KEY, ""))


def arm(text: str) -> None:
    """Replace what is armed in this process; an empty text disarms all."""
    global _armed  # noqa: PLW0603 - one switchboard for the process, so that a disarmed check costs a dict look-up
    _armed = _read(text)


def failpoint(name: str, subject_id: int, tx: "Connection | None" = None) -> None:
    """Do what is armed for this name and subject; nothing when nothing is."""
    if not _armed:
        return
    for action, subjects in _armed.get(name, ()):
        if subjects is not None and subject_id not in subjects:
            continue
        if action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if action == "postgres" and tx is not None:
            tx.execute("SELECT 1 / 0")
        if action == "raise":
            raise FailpointError(name)
