"""A house whose lines to the courier, to Redis, and to platforms and warehouses where asked, run through proxies."""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from drills.drill import Plan
from drills.proxy import Fault, Proxy
from drills.unclear import CREATE, LOST
from infra.engine.event_loop import EventLoopThread
from workers.demo.run import RunningDemo, prepared
from workers.demo.stage import Script
from workers.supervisor import supervised

_PAGE = b"<html>busy</html>"
GARBAGE = Fault(
    "garbage", reply=b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%b" % (len(_PAGE), _PAGE)
)
# Longer than the demo's door listens.
TOO_LATE = Fault("reply too late", late_s=3.5, is_lost=True)


@dataclass
class Liar:
    """Books what it is asked to, and for a share of the bookings says nothing, nonsense, or says it too late."""

    draw: random.Random
    share: float

    def __call__(self, request: bytes) -> Fault | None:
        if CREATE not in request or self.draw.random() >= self.share:
            return None
        return self.draw.choice((LOST, GARBAGE, TOO_LATE))


@dataclass(frozen=True, slots=True)
class Lines:
    """`courier` carries the calls to SF, `queue` those to Redis. `others`: to platforms and warehouses, where asked."""

    demo: RunningDemo
    courier: Proxy
    queue: Proxy
    others: Proxy

    def lie(self, seed: str, share: float) -> None:
        self.courier.judge = Liar(random.Random(seed), share)  # noqa: S311 - repeatable, not secret


@contextmanager
def lined(
    plan: Plan,
    script: Script,
    amend: Callable[[str], str] = str,
    environ: Mapping[str, str] | None = None,
    *,
    lines_others: bool = False,
) -> Iterator[Lines]:
    """The whole house at work, with all lines whole. `amend` changes the settings file's text before.

    `environ`: what the processes find in their environment besides. `lines_others`: calls to platforms and warehouses
    run through a proxy as well.
    """
    with prepared(plan.base, script) as demo, EventLoopThread() as event_loop:
        parts = urlsplit(demo.stage.sandbox_url)
        assert parts.hostname is not None
        assert parts.port is not None
        redis_url = demo.supervisor.environment["ORDERLANE_REDIS_URL"]
        socket, line = Path(unquote(urlsplit(redis_url).path)), demo.stage.folder / "redis.sock"
        sandbox = (parts.hostname, parts.port)
        with (
            Proxy(event_loop, sandbox) as courier,
            Proxy(event_loop, socket, line) as queue,
            Proxy(event_loop, sandbox) as others,
        ):
            file = demo.stage.settings_file
            proxies = {"sf": courier} | ({"taobao": others, "warehouse": others} if lines_others else {})
            text = file.read_text()
            for path, proxy in proxies.items():
                text = text.replace(f"{demo.stage.sandbox_url}/{path}", f"http://127.0.0.1:{proxy.port}/{path}")
            file.write_text(amend(text))
            demo.supervisor.environment = {
                **demo.supervisor.environment,
                "ORDERLANE_REDIS_URL": f"unix://{line}?db=0",
                **(environ or {}),
            }
            with supervised(demo.supervisor):
                yield Lines(demo, courier, queue, others)
