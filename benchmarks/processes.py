"""What processes have used so far, read from ``/proc`` (Linux, proc(5))."""

import os
from pathlib import Path

_PROC = Path("/proc")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_s(root: int) -> float:
    """CPU-seconds, user and system, of a process and all its descendants.

    Descendants that have ended count as soon as their parent has reaped them, so short-lived
    database backends are not lost.
    """
    return sum(_cpu_with_reaped_s(pid) for pid in _tree(root))


def own_cpu_s(pid: int) -> float:
    """CPU-seconds of one process alone. Raises FileNotFoundError when it is gone."""
    return _ticks(pid, 0, 2) / _TICKS_PER_S


def pss_mb(pid: int) -> float:
    """Proportional set size in MiB: shared pages are divided among the processes that share them."""
    for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise ValueError("smaps_rollup shows no Pss")


def _cpu_with_reaped_s(pid: int) -> float:
    try:
        return _ticks(pid, 0, 4) / _TICKS_PER_S
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def _ticks(pid: int, first: int, last: int) -> int:
    """Sum of utime, stime, cutime, cstime (fields 14 to 17), from `first` to before `last`."""
    after_name = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return sum(int(value) for value in after_name[11 + first : 11 + last])


def _tree(root: int) -> list[int]:
    found = [root]
    for pid in found:
        try:
            tasks = list((_PROC / str(pid) / "task").iterdir())
            found.extend(int(child) for task in tasks for child in (task / "children").read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found
