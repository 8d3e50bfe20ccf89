"""Named places where a test or a drill can make the engine fail. They cost nothing when none is armed.

Armed through ``ORDERLANE_FAILPOINTS``, a JSON list of objects with ``at`` (the failpoint's name),
``do`` (an `ACTIONS` key) and ``subjects`` (ids, or absent for all).
"""

import ctypes
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from infra.process.steps import STEPS

if TYPE_CHECKING:
    from psycopg import Connection

ENVIRONMENT_KEY = "ORDERLANE_FAILPOINTS"
# Longer than a heartbeat of the broker and a lease of a drill.
SLEEP_S = 20.0


def step_points() -> tuple[str, ...]:
    """Every failpoint of the steps, in the order of the chain."""
    return STEPS.points()


SWEEP_POINT = "sweep.freed"
"""The sweeper has freed what a dead worker left, and has not committed."""

PURGE_POINTS = ("purge.locked", "purge.forgotten", "purge.committed", "purge.deleted")
"""A purge has locked what ended; has forgotten it and not committed; has; has deleted old rows and not committed."""

LISTING_POINTS = ("listings.mapped", "listings.written", "listings.committed")
"""A change of the listing map is committed; a stretch of waiting orders has its SKUs and is not committed; it is."""

ERASE_POINTS = ("erase.forgotten", "erase.committed")
"""An erasure has forgotten an order and not committed; has."""


class FailpointError(Exception):
    """What a failpoint with ``do: raise`` raises: a stand-in for a bug."""


def _kill(_name: str, _tx: "Connection | None") -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _stop(_name: str, _tx: "Connection | None") -> None:
    """Freeze the whole process until somebody sends SIGCONT, and this thread before its next instruction."""
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


def _sleep(_name: str, _tx: "Connection | None") -> None:
    time.sleep(SLEEP_S)


def _block(_name: str, _tx: "Connection | None") -> None:
    """Sleep in C while holding the interpreter lock: no other thread of the process runs meanwhile. Once in a
    process.
    """
    arm("")
    ctypes.PyDLL(None).sleep(int(SLEEP_S))


def _raise(name: str, _tx: "Connection | None") -> None:
    raise FailpointError(name)


def _postgres(_name: str, tx: "Connection | None") -> None:
    if tx is not None:
        tx.execute("SELECT 1 / 0")


ACTIONS: dict[str, Callable[[str, "Connection | None"], None]] = {
    "kill": _kill,
    "stop": _stop,
    "sleep": _sleep,
    "block": _block,
    "raise": _raise,
    "postgres": _postgres,
}


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


def failpoint(name: str, subject_id: int | None = None, tx: "Connection | None" = None) -> None:
    """Do what is armed for this name and subject; nothing otherwise.

    Without a subject, only a failpoint that is armed for all subjects acts.
    """
    if not _armed:
        return
    for action, subjects in _armed.get(name, ()):
        if subjects is None or subject_id in subjects:
            ACTIONS[action](name, tx)


def failpoints(name: str, subject_ids: Iterable[int], tx: "Connection | None" = None) -> None:
    """The same failpoint for each subject of a batch."""
    if _armed:
        for subject_id in subject_ids:
            failpoint(name, subject_id, tx)
