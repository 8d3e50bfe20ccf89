"""As whom the servers run. Postgres refuses to run as root, so root hands both to a service user."""

import os
import pwd
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from domain.errors import Misconfigured

_LAUNCH = str(Path(__file__).with_name("launch.py"))
_USUAL_NAMES = ("orderlane", "postgres", "nobody")
# Nothing of our own environment reaches a server: it may hold secrets, and the server's user may not be ours.
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class OsAccount:
    """The operating-system user of the servers; `is_other` when we are root and it is not us."""

    name: str
    uid: int
    gid: int

    @property
    def is_other(self) -> bool:
        return self.uid != os.geteuid()

    def spawn(self, command: list[str], *, folder: Path, log: int, end_signal: int = 0) -> subprocess.Popen[bytes]:
        """Start `command` in `folder` with both outputs to the descriptor `log`.

        A session of its own keeps the terminal's Ctrl-C away: the owner stops its servers in order.
        With `end_signal`, Linux sends that signal when the starting thread ends.
        """
        return subprocess.Popen(  # noqa: S603 - only this package's own commands come here
            self._launched(command, end_signal),
            cwd=folder,
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def run(self, command: list[str], *, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run `command` to its end; both outputs are in `stdout`."""
        return subprocess.run(  # noqa: S603 - as above
            self._launched(command, 0),
            cwd="/",
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def can_enter(self, folder: Path) -> bool:
        """Whether this user can reach `folder`: asked of the kernel, so that every kind of permission counts."""
        if not self.is_other:
            return os.access(folder, os.X_OK)
        return self.run(["/bin/sh", "-c", 'cd -- "$0"', str(folder)]).returncode == 0

    def own(self, folder: Path) -> None:
        """Create `folder` for this user alone, or take it over with everything inside."""
        folder.mkdir(mode=0o700, exist_ok=True)
        if self.is_other and folder.stat().st_uid != self.uid:
            for place in (*folder.rglob("*"), folder):
                os.chown(place, self.uid, self.gid, follow_symlinks=False)

    def _launched(self, command: list[str], end_signal: int) -> list[str]:
        numbers = (os.getpid(), int(end_signal), self.uid, self.gid)
        return [sys.executable, "-I", "-S", _LAUNCH, *map(str, numbers), *command]


def service_account(wanted: str = "") -> OsAccount:
    """Ourselves, or as root the configured service user, else the first usual one that exists.

    Raises Misconfigured when the user does not exist, is root, or is another one while we are not root.
    """
    if os.geteuid() != 0:
        us = pwd.getpwuid(os.geteuid())
        if wanted and wanted != us.pw_name:
            raise Misconfigured("service_user_needs_root", f"only root can run the stores as {wanted!r}")
        return OsAccount(us.pw_name, us.pw_uid, us.pw_gid)
    for name in (wanted,) if wanted else _USUAL_NAMES:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        if user.pw_uid == 0:
            raise Misconfigured("service_user_is_root", "Postgres refuses to run as root; name another service_user")
        return OsAccount(user.pw_name, user.pw_uid, user.pw_gid)
    raise Misconfigured("service_user_missing", f"no such user: {wanted or ', '.join(_USUAL_NAMES)}")
