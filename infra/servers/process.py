"""One server process: started, awaited, stopped; and what a killed owner left behind."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path

from domain.errors import Misconfigured
from infra.servers.os_account import OsAccount

START_DEADLINE_S = 30.0
STOP_DEADLINE_S = 30.0
_POLL_S = 0.01
_TAIL_LINES = 20
_PROC = Path("/proc")


class ServerProcess:
    """A server that runs in `folder`, with its words in `log`; the previous run's are kept as `log.1`."""

    def __init__(self, name: str, folder: Path, log: Path, account: OsAccount) -> None:
        self.name = name
        self.folder = folder
        self._log = log
        self._account = account
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, command: list[str], *, end_signal: signal.Signals, is_ready: Callable[[], bool]) -> None:
        """Start and wait until `is_ready`. Raises Misconfigured with the end of the log.

        A server that exits at once is tried again until the deadline: Postgres may have to wait for
        the last children of a killed predecessor. On Linux the server gets `end_signal` when we die,
        unless a thread that may end earlier than the process starts it.
        """
        if self._log.exists():
            self._log.replace(self._log.with_name(f"{self._log.name}.1"))
        starts_in_main = threading.current_thread() is threading.main_thread()
        deadline = time.monotonic() + START_DEADLINE_S
        while True:
            with self._log.open("ab") as log:
                self._process = self._account.spawn(
                    command, folder=self.folder, log=log.fileno(), end_signal=end_signal if starts_in_main else 0
                )
            if self._becomes_ready(is_ready, deadline):
                return
            if "still in use" not in self.tail() or time.monotonic() > deadline:
                self.stop(signal.SIGKILL)
                raise Misconfigured(f"{self.name}_not_started", f"{self.name} did not start:\n{self.tail()}")

    def stop(self, *signals: signal.Signals) -> None:
        """Send each signal in turn until the process has ended."""
        if self._process is None:
            return
        for number in (*signals, signal.SIGKILL):
            self._process.send_signal(number)
            try:
                self._process.wait(STOP_DEADLINE_S)
            except subprocess.TimeoutExpired:
                continue
            break
        self._process = None

    def tail(self) -> str:
        if not self._log.exists():
            return ""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])

    def _becomes_ready(self, is_ready: Callable[[], bool], deadline: float) -> bool:
        while self.is_running and time.monotonic() < deadline:
            if is_ready():
                return True
            time.sleep(_POLL_S)
        return False


def end_leftovers(folder: Path, programs: Collection[str], number: signal.Signals) -> bool:
    """End the servers of a killed owner: processes of that name whose working folder is `folder`.

    Returns whether it is certain that none is left, which only Linux can tell. A recorded pid alone
    would not do: after a restart of the machine another process may bear it.
    """
    if not _PROC.is_dir():
        return False
    for attempt in (number, signal.SIGKILL):
        found = _running_in(folder, programs)
        children = {pid for pid, parent in found.items() if parent in found}
        for pid in found if attempt is signal.SIGKILL else found.keys() - children:
            _send(pid, attempt)
        deadline = time.monotonic() + STOP_DEADLINE_S
        while _running_in(folder, programs):
            if time.monotonic() > deadline:
                break
            time.sleep(_POLL_S)
        else:
            return True
    return False


def _running_in(folder: Path, programs: Collection[str]) -> dict[int, int]:
    """Process id to parent process id. A zombie has no working folder and does not count."""
    found = {}
    for place in _PROC.iterdir():
        if not place.name.isdigit():
            continue
        try:
            if (place / "cwd").readlink() != folder:
                continue
            name, _, rest = (place / "stat").read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue
        if name in programs:
            found[int(place.name)] = int(rest.split()[1])
    return found


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
