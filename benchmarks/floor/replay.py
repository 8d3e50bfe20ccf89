"""Replays a recording in a tight loop: prepared requests by the bare HTTP client, statements by one connection."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import aiohttp
import psycopg
from yarl import URL

from adapters.http_client import Request
from benchmarks.floor.recording import Act, Begin, Commit, Pause, Statement

_AT_ONCE = 16


@dataclass(slots=True)
class Use:
    """CPU-seconds of this process by what it did, and how much of it there was."""

    statements_cpu_s: float = 0.0
    calls_cpu_s: float = 0.0
    statements: int = 0
    commits: int = 0
    calls: int = 0
    refused: int = 0


def moved(acts: Sequence[Act], old: str, new: str) -> list[Act]:
    """The same acts against a sandbox at another address. No signature covers it."""
    return [
        replace(act, url=new + act.url.removeprefix(old))
        if isinstance(act, Request) and act.url.startswith(old)
        else act
        for act in acts
    ]


def replay(acts: Sequence[Act], conninfo: str) -> Use:
    """Everything in its order; requests that follow each other go out together, as many as a remote step sends."""
    use = Use()
    with psycopg.connect(conninfo, autocommit=True) as connection, asyncio.Runner() as runner:
        session = runner.run(_session())
        try:
            for stretch in _stretches(acts):
                began = time.process_time()
                if isinstance(stretch[0], Request):
                    runner.run(_send(session, [act for act in stretch if isinstance(act, Request)], use))
                    use.calls_cpu_s += time.process_time() - began
                else:
                    _execute(connection, stretch, use)
                    use.statements_cpu_s += time.process_time() - began
        finally:
            runner.run(session.close())
    return use


def _stretches(acts: Sequence[Act]) -> list[list[Act]]:
    """Runs of requests, and runs of everything else."""
    found: list[list[Act]] = []
    for act in acts:
        if found and isinstance(found[-1][-1], Request) == isinstance(act, Request):
            found[-1].append(act)
        else:
            found.append([act])
    return found


def _execute(connection: psycopg.Connection, acts: Sequence[Act], use: Use) -> None:
    for act in acts:
        match act:
            case Begin():
                connection.execute("BEGIN")
            case Commit():
                connection.execute("COMMIT")
                use.commits += 1
            case Pause(seconds=seconds):
                time.sleep(seconds)
            case Statement(query=query, params=params):
                cursor = connection.execute(query, params)  # type: ignore[arg-type] # as it was recorded
                if cursor.description:
                    cursor.fetchall()
                use.statements += 1


async def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar())


async def _send(session: aiohttp.ClientSession, requests: Sequence[Request], use: Use) -> None:
    waiting = iter(requests)

    async def sender() -> None:
        for request in waiting:
            url = URL(request.url, encoded=True)
            async with session.request(
                request.method, url, headers=request.headers, data=request.body or None
            ) as answer:
                await answer.read()
                use.calls += 1
                use.refused += answer.status >= 400  # noqa: PLR2004 - the sandbox's refusals are 4xx

    await asyncio.gather(*(sender() for _ in range(min(_AT_ONCE, len(requests)))))
