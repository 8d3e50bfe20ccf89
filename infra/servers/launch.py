"""Starts a server: a plain script that makes the server end with its owner, drops root and executes the server.

    python -I -S launch.py OWNER_PID SIGNAL UID GID PROGRAM [ARGUMENT ...]

A script of its own, because doing this between fork and exec inside a process with threads can
deadlock. It must not import anything of the project: it starts before every package path is known.
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1
_CANNOT_RUN = 126


def main(owner_pid: int, end_signal: int, uid: int, gid: int, *command: str) -> None:
    """Replace this process by `command`. With `end_signal`, Linux sends it once the owner is gone."""
    os.umask(0o077)
    if os.geteuid() != uid:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if end_signal and sys.platform == "linux":
        # After the change of user, which would clear it. An owner that died before this line sends nothing.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, end_signal)
        if os.getppid() != owner_pid:
            sys.exit(_CANNOT_RUN)
    os.execv(command[0], command)  # noqa: S606 - the caller names a program by its full path


if __name__ == "__main__":
    try:
        owner, number, user, group = map(int, sys.argv[1:5])
        main(owner, number, user, group, *sys.argv[5:])
    except OSError as error:
        sys.stderr.write(f"cannot run {sys.argv[5]}: {error.strerror}\n")
        sys.exit(_CANNOT_RUN)
