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
from infra.accounts.gates import Gates
from infra.engine.event_loop import EventLoopThread
from infra.engine.gated_runner import GatedRunner
from infra.engine.local import LocalRunner
from infra.engine.remote import RemoteRunner
from workers import wiring, worker


def main(report: Path) -> None:
    """Serve until SIGTERM, then write a `WorkerUse` as JSON."""
    meters: list[Meter] = []
    plain = wiring.make_runners

    def metered(tools: Tools, event_loop: EventLoopThread, *others: Any) -> dict[str, Any]:  # noqa: ANN401 - as the worker has them
        meter = Meter(tools.db.counts, loop_clock(event_loop))
        meters.append(meter)
        wait_for_start(tools.db)
        meter.zero()
        return plain(tools, event_loop, *others)

    def gated(runner: LocalRunner | RemoteRunner, gates: Gates) -> MeteredRunner:
        return MeteredRunner(GatedRunner(runner, gates), meters[0])

    # The worker's own main function runs, so that the measured code is always the real one.
    with patch.object(wiring, "make_runners", metered), patch.object(wiring, "GatedRunner", gated):
        worker.main([], standalone_mode=False)
    report.write_bytes(msgspec.json.encode(meters[0].use()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
