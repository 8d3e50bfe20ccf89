"""A worker as it is, with metered runners: ``python -m benchmarks.chain.metered_worker REPORT``.

It waits at the start line, so that no process's start-up is measured, and writes its use when it ends.
"""

import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec

from actors.tools import Tools
from benchmarks.chain.meter import Meter, MeteredRunner, loop_clock
from benchmarks.start_line import wait_for_start
from infra.outside import Outside
from workers import wiring, worker


def main(report: Path) -> None:
    """Serve until SIGTERM, then write a `WorkerUse` as JSON."""
    meters: list[Meter] = []
    plain = wiring.make_runners

    def metered(tools: Tools, outside: Outside, number: int) -> dict[str, Any]:
        meter = Meter(tools.db.counts, loop_clock(outside))
        meters.append(meter)
        runners = {name: MeteredRunner(runner, meter) for name, runner in plain(tools, outside, number).items()}
        wait_for_start(tools.db)
        meter.zero()
        return runners

    # The worker's own main runs, so that what is measured cannot drift away from it.
    with patch.object(wiring, "make_runners", metered):
        worker.main([], standalone_mode=False)
    report.write_bytes(msgspec.json.encode(meters[0].use()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
