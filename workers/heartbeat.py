"""A file that a process touches each time it goes round: its age tells a health check whether it still does.

A process whose stores are away goes round all the same, because a restart would not bring them back.
"""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

ENVIRONMENT_KEY = "ORDERLANE_HEARTBEAT"


def beat(environ: Mapping[str, str] = os.environ) -> None:
    """Touch the file that ``ORDERLANE_HEARTBEAT`` names, if it names one. Whoever cannot is silent, and goes on."""
    file = environ.get(ENVIRONMENT_KEY)
    if file:
        with contextlib.suppress(OSError):
            Path(file).touch()
