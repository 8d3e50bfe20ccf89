"""What a call to the outside costs, by HTTP client: ``python -m benchmarks.http [--quick] [--json]``.

All clients send the same signed reads of a trade to the same sandbox, as many at once as a remote step does,
and every answer is checked. CPU is that of this process; the sandbox's stands beside it.
"""

import asyncio
import importlib
import importlib.util
import os
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import click
import msgspec
from rich.console import Console
from rich.table import Table
from yarl import URL

from adapters import registry
from adapters.http_client import HttpClient, Request
from adapters.platforms.taobao import describe
from adapters.platforms.taobao.calls import TopAccount, build_call
from benchmarks import processes
from infra.config.settings import Settings, data_dir, read_settings
from infra.process.clock import SystemClock
from infra.telemetry.log import configure
from workers.demo.run import their_ledger
from workers.demo.stage import Script, Stage, sandbox_stage
from workers.demo.warehouses import UNTOLD

_ORDERS = 500
_AT_ONCE = 16

# Asks for all calls, tells each answer's size, and raises when one is no trade.
Client = Callable[[Settings, Sequence[Request]], None]


class Cost(msgspec.Struct):
    """`cpu_ms` a call in this process, `sandbox_cpu_ms` a call in the server that answers."""

    calls_per_second: float
    cpu_ms: float
    sandbox_cpu_ms: float


def through_the_door(settings: Settings, requests: Sequence[Request]) -> None:
    """As adapters call: aiohttp with allow-list, limits, checks of the answer, counters, log, quick retry."""

    async def run() -> None:
        async with HttpClient(settings.door, registry.hosts(settings), SystemClock()) as http:

            async def send(request: Request) -> None:
                response = await http.send(request)
                _check(response.status, response.body)

            await _at_once(send, requests)

    asyncio.run(run())


def bare_aiohttp(_settings: Settings, requests: Sequence[Request]) -> None:
    """The same session without the door."""

    async def run() -> None:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:

            async def send(request: Request) -> None:
                url = URL(request.url, encoded=True)
                async with session.request(request.method, url, headers=request.headers, data=request.body) as answer:
                    _check(answer.status, await answer.read())

            await _at_once(send, requests)

    asyncio.run(run())


def urllib3_threads(_settings: Settings, requests: Sequence[Request]) -> None:
    """urllib3's pool, shared by as many threads as there are calls at once."""
    urllib3 = importlib.import_module("urllib3")
    with urllib3.PoolManager(maxsize=_AT_ONCE, block=True, retries=False) as pool:

        def send(request: Request) -> None:
            answer = pool.request(request.method, request.url, headers=dict(request.headers), body=request.body)
            _check(answer.status, answer.data)

        with ThreadPoolExecutor(_AT_ONCE) as threads:
            for _ in threads.map(send, requests):
                pass


CLIENTS: dict[str, Client] = {
    "door (aiohttp)": through_the_door,
    "bare aiohttp": bare_aiohttp,
    "urllib3, threads": urllib3_threads,
}


@click.command()
@click.option("--calls", default=4000, show_default=True, help="Calls of each run.")
@click.option("--rounds", default=5, show_default=True, help="Runs of each client, interleaved.")
@click.option("--quick", is_flag=True, help="500 calls, one round: for a look, not for a decision.")
@click.option("--json", "as_json", is_flag=True, help="The last line of stdout is one JSON object.")
def main(*, calls: int, rounds: int, quick: bool, as_json: bool) -> None:
    """Compare HTTP clients on the hot path."""
    configure("auto", "warning")
    calls, rounds = (500, 1) if quick else (calls, rounds)
    skipped = {"httpx": "no dependency, and not to become one: no release since 0.28.1 of December 2024"}
    clients = dict(CLIENTS)
    if importlib.util.find_spec("urllib3") is None:
        del clients["urllib3, threads"]
        skipped["urllib3"] = "no dependency; it is compared where it is installed"
    folder = data_dir(read_settings()) / "benchmarks" / str(os.getpid())
    folder.mkdir(parents=True)
    try:
        found = _compare(clients, folder, calls, rounds)
    finally:
        shutil.rmtree(folder)
    settings = {"calls": calls, "rounds": rounds, "at_once": _AT_ONCE, "cores": len(os.sched_getaffinity(0))}
    _show(found, skipped, settings, Console(stderr=as_json, highlight=False, width=100))
    if as_json:
        print(msgspec.json.encode({"clients": found, "skipped": skipped, "settings": settings}).decode())


def _compare(clients: dict[str, Client], folder: Path, calls: int, rounds: int) -> dict[str, Cost]:
    """Medians over the rounds. Clients alternate, so that a busy minute of the machine hits all."""
    script = Script(orders=_ORDERS, csv=None, seed=7, per_second=0.0, processes=0, threads=1, shops=2, floors=UNTOLD)
    runs: dict[str, list[Cost]] = {name: [] for name in clients}
    with sandbox_stage(folder, script) as stage:
        settings = read_settings(stage.settings_file, {})
        requests = _requests(settings, stage, calls)
        for client in clients.values():
            client(settings, requests[:_AT_ONCE])
        for number in range(rounds):
            names = list(clients)
            for name in names[number % len(names) :] + names[: number % len(names)]:
                runs[name].append(_cost(clients[name], settings, requests, stage.sandbox_pid))
    return {
        name: Cost(*(round(median(getattr(run, field) for run in costs), 3) for field in Cost.__struct_fields__))
        for name, costs in runs.items()
    }


def _requests(settings: Settings, stage: Stage, count: int) -> list[Request]:
    """Signed reads of trades, the sandbox's own, built beforehand: signing is no client's work."""
    accounts = {
        shop.name: TopAccount(
            shop.endpoint,
            shop.credentials["app_key"],
            shop.credentials["app_secret"],
            shop.credentials["session"],
            "hmac-sha256",
        )
        for shop in settings.shops
    }
    keys = [ordered.key for ordered in their_ledger(stage).ordered]
    now = SystemClock().utcnow()
    return [
        build_call(accounts[shop], describe.READ_TRADE, {"fields": describe.TRADE_FIELDS, "tid": tid}, now)
        for shop, tid in (keys[number % len(keys)] for number in range(count))
    ]


def _cost(client: Client, settings: Settings, requests: Sequence[Request], sandbox: int) -> Cost:
    cpu, theirs, wall = time.process_time(), processes.own_cpu_s(sandbox), time.perf_counter()
    client(settings, requests)
    calls = len(requests)
    return Cost(
        calls_per_second=calls / (time.perf_counter() - wall),
        cpu_ms=(time.process_time() - cpu) * 1000 / calls,
        sandbox_cpu_ms=(processes.own_cpu_s(sandbox) - theirs) * 1000 / calls,
    )


async def _at_once(send: Callable[[Request], Any], requests: Sequence[Request]) -> None:
    """A fixed number of senders, each taking the next request when its last is answered."""
    waiting = iter(requests)

    async def sender() -> None:
        for request in waiting:
            await send(request)

    await asyncio.gather(*(sender() for _ in range(_AT_ONCE)))


def _check(status: int, body: bytes) -> None:
    if status != 200 or b"trade_fullinfo_get_response" not in body:  # noqa: PLR2004 - OK
        raise RuntimeError(f"no trade but {status}: {body[:200]!r}")


def _show(found: dict[str, Cost], skipped: dict[str, str], settings: dict[str, int], console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("client", *Cost.__struct_fields__):
        table.add_column(column, justify="left" if column == "client" else "right")
    for name, cost in found.items():
        table.add_row(name, *(f"{getattr(cost, field):,.3f}" for field in Cost.__struct_fields__))
    console.print(table)
    for name, reason in skipped.items():
        console.print(f"{name}: {reason}")
    console.print(settings)


if __name__ == "__main__":
    main()
