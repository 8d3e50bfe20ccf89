"""A file that a process touches in each round of its main loop.

A health check reads the age of the file. A process with unreachable stores still touches the file, because a restart
would not bring the stores back.
"""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

ENVIRONMENT_KEY = "ORDERLANE_HEARTBEAT"


def beat(environ: Mapping[str, str] = os.environ) -> None:
    """Touch the file that ``ORDERLANE_HEARTBEAT`` names, if any. A failure is ignored."""
    file = environ.get(ENVIRONMENT_KEY)
    if file:
        with contextlib.suppress(OSError):
            Path(file).touch()
