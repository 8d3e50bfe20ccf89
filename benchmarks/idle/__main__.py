"""``python -m benchmarks.idle [--shops N] [--quick] [--json]``: CPU, commands and memory of an instance without
orders.
"""

import sys
import time
from typing import Any

import click
import msgspec
import tomli_w
from rich.console import Console
from rich.table import Table

from benchmarks import processes
from benchmarks.surroundings import describe, postmaster_pid, private_stores, redis_pid
from infra.config.settings import Settings, read_settings
from infra.servers import Connection
from infra.telemetry.log import configure
from workers.demo.run import RunningDemo, prepared
from workers.demo.stage import Script
from workers.demo.warehouses import UNTOLD
from workers.supervisor import supervised

QUICK_S = 20.0
# Before the meter starts: first pulls, caches, the first checks of the invariants.
SETTLE_S = 15.0
SHOPS = 50


@click.command()
@click.option("--shops", default=SHOPS, show_default=True, help="Shops that are asked for orders, at the usual pace.")
@click.option("--seconds", default=60.0, show_default=True, help="How long to watch.")
@click.option("--settle", "settle_s", default=SETTLE_S, show_default=True, help="Seconds before that.")
@click.option("--quick", is_flag=True, help=f"Watch for {QUICK_S:.0f} seconds.")
@click.option("--json", "as_json", is_flag=True, help="The last line of stdout is one JSON object.")
def main(*, shops: int, seconds: float, settle_s: float, quick: bool, as_json: bool) -> None:
    """Watch stores, workers and sweeper of an instance that waits for orders, with default settings."""
    configure("auto", "warning")
    base = read_settings()
    with private_stores(base) as stores:
        found = watch(base, stores, shops, settle_s, QUICK_S if quick else seconds)
    _print(found, Console(stderr=as_json, highlight=False, width=100))
    if as_json:
        print(msgspec.json.encode(found).decode())


def watch(base: Settings, stores: Connection, shops: int, settle_s: float, seconds: float) -> dict[str, Any]:
    """Percent of one core by part, over `seconds`; the sandbox and this process are not counted."""
    given = msgspec.structs.replace(base.stores, database_url=stores.database_url, redis_url=stores.redis_url)
    script = Script(orders=1, csv=None, seed=7, per_second=0.0, processes=2, threads=4, shops=shops, floors=UNTOLD)
    with prepared(msgspec.structs.replace(base, stores=given), script) as demo:
        _set_usual_pace(demo)
        with supervised(demo.supervisor):
            time.sleep(settle_s)
            calls = sum(demo.stage.read("_progress")["calls"].values())
            before, started_at = _cpu_s(demo, stores), time.monotonic()
            time.sleep(seconds)
            passed = time.monotonic() - started_at
            used = {part: cpu_s - before[part] for part, cpu_s in _cpu_s(demo, stores).items()}
            calls = sum(demo.stage.read("_progress")["calls"].values()) - calls
            restarts = demo.supervisor.restarts
            pss_mb = {
                "worker": max(processes.pss_mb(pid) for pid in demo.supervisor.pids("worker")),
                "sweeper": max(processes.pss_mb(pid) for pid in demo.supervisor.pids("sweeper")),
            }
    percent = {part: round(100 * cpu_s / passed, 2) for part, cpu_s in used.items()}
    return {
        "idle_percent_of_a_core": round(sum(percent.values()), 2),
        "percent": percent,
        "pss_mb": {name: round(each, 1) for name, each in pss_mb.items()},
        "http_calls_per_minute": round(60 * calls / passed),
        "restarts": restarts,
        "settings": {**describe(stores), "shops": shops, "seconds": round(passed, 1), "processes": script.processes},
    }


def _set_usual_pace(demo: RunningDemo) -> None:
    """The demo reads shops more often than usual: without these keys the default intervals hold."""
    file = demo.stage.settings_file
    tree = msgspec.toml.decode(file.read_bytes())
    for account in (*tree["shops"], *tree["locations"]):
        account.pop("poll_every_s")
    file.write_text(tomli_w.dumps(tree))


def _cpu_s(demo: RunningDemo, stores: Connection) -> dict[str, float]:
    return {
        "workers": sum(map(processes.cpu_s, demo.supervisor.pids("worker"))),
        "sweeper": sum(map(processes.cpu_s, demo.supervisor.pids("sweeper"))),
        "postgres": processes.cpu_s(postmaster_pid(stores)),
        "redis": processes.cpu_s(redis_pid(stores)),
    }


def _print(found: dict[str, Any], console: Console) -> None:
    table = Table("part", "% of a core", title=f"idle, {found['settings']['shops']} shops")
    for part, percent in found["percent"].items():
        table.add_row(part, f"{percent:.2f}")
    table.add_row("all", f"{found['idle_percent_of_a_core']:.2f}")
    console.print(table)
    console.print(f"PSS in MB: {found['pss_mb']}; {found['http_calls_per_minute']} HTTP calls a minute")


if __name__ == "__main__":
    sys.exit(main())
