"""The one HTTP server: routes to the parts of a world, and answers what they say."""

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from domain.errors import Refused
from sandbox import control, report
from sandbox.limit import OverLimitError
from sandbox.lost import AnswerLostError
from sandbox.poison import ForbiddenError
from sandbox.signatures import same
from sandbox.warehouse import Answer, FeedRequest
from sandbox.world import World

Clock = Callable[[], float]
Handler = Callable[[web.Request], Awaitable[web.Response]]

_JSON = {"Content-Type": "application/json; charset=utf-8"}


def application(world: World, clock: Clock) -> web.Application:
    """All endpoints of the sandbox; `clock` gives unix seconds."""
    app = web.Application()
    app.add_routes(
        [
            web.post("/taobao/router/rest", _taobao(world, clock)),
            web.post("/douyin/{group}/{call}", _douyin(world, clock)),
            web.post("/pdd/api/router", _pinduoduo(world, clock)),
            web.post("/sf/std/service", _sf(world, clock)),
            web.get("/warehouse/{location}/events", _feed(world, clock, world.feed.events)),
            web.get("/warehouse/{location}/stock", _feed(world, clock, world.feed.stock)),
            web.post("/warehouse/{location}/orders", _feed(world, clock, world.feed.place)),
            web.get("/warehouse/{location}/orders/{reference}", _feed(world, clock, world.feed.find)),
            web.post("/warehouse/{location}/stop", _feed(world, clock, world.feed.stop)),
            web.post("/hook", _hook(world, clock)),
            # The provider has one address, and signs the path as "/".
            web.post("/", _texts(world, clock)),
            web.get("/_ledger", _report(world, clock, report.full)),
            web.get("/_progress", _report(world, clock, report.progress)),
            web.post("/_control", _control(world, clock)),
        ]
    )
    return app


def _taobao(world: World, clock: Clock) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        form = _form(await request.read())
        if request.query_string:
            form = {**request.query, **form}
        if world.latency.taobao_ms:
            await asyncio.sleep(world.latency.taobao_ms / 1000)
        try:
            return _limited(lambda: world.platform.answer(form, clock()))
        except AnswerLostError:
            return _lost(request)

    return handle


def _douyin(world: World, clock: Clock) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        body = await request.read()
        path = f"{request.match_info['group']}.{request.match_info['call']}"
        if world.latency.douyin_ms:
            await asyncio.sleep(world.latency.douyin_ms / 1000)
        try:
            return _limited(lambda: world.douyin.answer(path, request.query, body, clock()))
        except AnswerLostError:
            return _lost(request)

    return handle


def _pinduoduo(world: World, clock: Clock) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        form = _form(await request.read())
        try:
            return _limited(lambda: world.pinduoduo.answer(form, clock()))
        except AnswerLostError:
            return _lost(request)

    return handle


def _sf(world: World, clock: Clock) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        form = _form(await request.read())
        if world.latency.sf_ms:
            await asyncio.sleep(world.latency.sf_ms / 1000)
        try:
            return _limited(lambda: world.courier.answer(form, clock()))
        except AnswerLostError:
            return _lost(request)

    return handle


def _feed(world: World, clock: Clock, answer: Callable[[FeedRequest, float], Answer]) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        asked = FeedRequest(
            location=request.match_info["location"],
            path_and_query=request.raw_path,
            timestamp=request.headers.get("X-Timestamp", ""),
            signature=request.headers.get("X-Signature", ""),
            after=request.query.get("after", ""),
            limit=request.query.get("limit", ""),
            reference=request.match_info.get("reference", ""),
            body=await request.read() if request.method == "POST" else None,
        )
        if world.latency.warehouse_ms:
            await asyncio.sleep(world.latency.warehouse_ms / 1000)
        now = clock()
        if not world.feed.is_signed(asked, now):
            return _json(b'{"error":"signature"}', 401)
        world.bring_back(now)
        try:
            status, body = answer(asked, now)
        except AnswerLostError:
            return _lost(request)
        return _json(body, status)

    return handle


def _hook(world: World, clock: Clock) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        body = await request.read()
        return web.Response(status=world.receiver.take(request.headers, body, clock()))

    return handle


def _texts(world: World, clock: Clock) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        return _json(world.texts.answer(headers, await request.read(), clock()))

    return handle


def _report(world: World, clock: Clock, tell: Callable[[World], dict[str, object]]) -> Handler:
    async def handle(_request: web.Request) -> web.Response:
        world.advance(clock())
        return _json(msgspec.json.encode(tell(world)))

    return handle


def _control(world: World, clock: Clock) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        if not same(world.spec.secrets.control_secret, request.headers.get("X-Control", "")):
            return _json(b'{"error":"X-Control"}', 401)
        try:
            answer = control.pull(world, await request.read(), clock())
        except Refused as error:
            return _json(msgspec.json.encode({"error": str(error)}), 400)
        return _json(msgspec.json.encode(answer))

    return handle


def _lost(request: web.Request) -> web.Response:
    """The connection ends, and nobody reads this answer."""
    if request.transport is not None:
        request.transport.abort()
    return _json(b"")


def _limited(answer: Callable[[], bytes]) -> web.Response:
    """The answer, or HTTP's own word for one call too many, or for one that a firewall stops."""
    try:
        return _json(answer())
    except OverLimitError as over:
        wish = {} if over.retry_after_s is None else {"Retry-After": str(over.retry_after_s)}
        return web.Response(status=429, headers=wish)
    except ForbiddenError:
        return web.Response(status=403, text="<html>Forbidden</html>", content_type="text/html")


def _form(body: bytes) -> dict[str, str]:
    """A form body; parsed here because the framework's own reader costs as much as the whole answer."""
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _json(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, headers=_JSON)
