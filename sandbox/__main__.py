"""``python -m sandbox --spec FILE.json --ready FILE``: play until SIGTERM, or until the parent is gone."""

import asyncio
import gc
import os
import signal
import time
from pathlib import Path

import click
import msgspec
from aiohttp import web

from domain.errors import Misconfigured
from sandbox.server import application
from sandbox.spec import read_spec
from sandbox.stream import plan
from sandbox.world import World

_PARENT_CHECK_S = 1.0


@click.command()
@click.option("--spec", "spec_file", type=click.Path(path_type=Path), required=True, help="What to play (JSON).")
@click.option("--ready", "ready_file", type=click.Path(path_type=Path), required=True, help="Gets port and pid.")
def main(spec_file: Path, ready_file: Path) -> None:
    """Play platform, courier, warehouse and web-hook receiver on a free loopback port."""
    parent = os.getppid()
    try:
        spec = read_spec(spec_file)
        planned = plan(spec)
    except Misconfigured as error:
        raise click.ClickException(str(error)) from None
    world = World(spec, planned, time.time())
    # The stream lives as long as the process; the collector need not walk it again.
    gc.freeze()
    asyncio.run(_serve(world, ready_file, parent))


async def _serve(world: World, ready_file: Path, parent: int) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    runner = web.AppRunner(application(world, time.time), access_log=None, handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        _announce(ready_file, int(runner.addresses[0][1]))
        await _until_stopped(stopped, parent)
    finally:
        await runner.cleanup()


def _announce(ready_file: Path, port: int) -> None:
    """Write the ready file in one piece, so that a reader never sees half of it."""
    draft = ready_file.with_name(f"{ready_file.name}.{os.getpid()}")
    draft.write_bytes(msgspec.json.encode({"port": port, "pid": os.getpid()}))
    draft.replace(ready_file)


async def _until_stopped(stopped: asyncio.Event, parent: int) -> None:
    while os.getppid() == parent:
        try:
            await asyncio.wait_for(stopped.wait(), _PARENT_CHECK_S)
        except TimeoutError:
            continue
        return


if __name__ == "__main__":
    main()
