"""The questions every adapter is asked, found by the registry and answered from its fixture folder.

To join: `fixtures/NAME/account.json` (settings of one account, the endpoint's path, and whether the protocol
ignores the body of an answer) and one `CALL_CASE.json` for each case: the requests in order, the answers given
to them, and what the call `returns` or `raises`. ``"*"`` in a request stands for any text.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
from structlog.testing import capture_logs

from adapters import registry
from adapters.after_sale import StopAnswer, StopReport
from adapters.documents import Document, DocumentLine, DocumentPackage
from adapters.plugin import ChannelKind, CourierKind, PlatformKind, WarehouseKind
from adapters.ports import Booking, Handover, InterceptRequest, Notice, Purpose, Tracked, Window
from domain import errors
from domain.errors import FulfilmentError, Malformed, Misconfigured, Throttled, Transient, UnknownOutcome
from domain.money import Money
from domain.order import Address, Lane
from infra.config import settings

FIXTURES = Path(__file__).parent / "fixtures"
SHANGHAI = Address("王仓管", "02100000001", "上海市", "上海市", "青浦区", "", "华徐公路1号")
RECEIVER = Address("测试甲", "13800000001", "浙江省", "杭州市", "西湖区", "", "文三路2号3幢", "310000")
PERSONAL = (SHANGHAI.name, RECEIVER.name, RECEIVER.phone, RECEIVER.detail)
REFERENCE, WAYBILL = "TB2900000000000000001-1-0", "SF1000000000001"
OTHER_WAYBILL = "SF1000000000002"
BOOKING = Booking(REFERENCE, SHANGHAI, RECEIVER, (("棉质T恤", 2), ("袜子", 1)), 650)
ORDER = "2900000000000000001"
WINDOW = Window(datetime(2026, 11, 22, 1, 0, tzinfo=UTC), datetime(2026, 11, 22, 1, 30, tzinfo=UTC))
HANDOVER = Handover(ORDER, "sf", WAYBILL, {ORDER: 1}, outside=frozenset(), shipped_at=WINDOW.end)
NOTICE = Notice(
    "evt-1", "package.shipped", WINDOW.end, {"platform_order_id": ORDER, "waybill": WAYBILL}, mobile=RECEIVER.phone
)
DOCUMENT_REFERENCE = "W7B73O67I4YV6HOQ4RJX-W1-1"
DOCUMENT = Document(
    reference=DOCUMENT_REFERENCE,
    shop="taobao/s1",
    lines=(DocumentLine("2900000000000000011", "TEE-1", 2), DocumentLine("2900000000000000012", "SOCK-1", 1)),
    packages=(DocumentPackage("W7B73O67I4YV6HOQ4RJX-1-1", "sf", WAYBILL, "571A-12"),),
    merge_token="oaid-1",
    lane=Lane.P0,
    ship_by=WINDOW.end,
    receiver=RECEIVER,
)
CASE = "7390000000000000001"
# Platforms that read a case by more than its number: how their adapter names it.
CASE_NAMES = {"Pinduoduo": f"{ORDER}:{CASE}"}
STOPPED = StopReport(
    case_id=CASE,
    platform_order_id=ORDER,
    line_ids=("2900000000000000011",),
    answer=StopAnswer.STOPPED,
    code="stopped",
    at=WINDOW.end,
    amount=Money(1250, "CNY"),
)


async def collect(pages):
    return [row async for page in pages for row in page]


CALLS = {
    PlatformKind: {
        "changes": lambda platform: collect(platform.changes(WINDOW)),
        "fetch": lambda platform: platform.fetch(ORDER),
        "status": lambda platform: platform.status(ORDER),
        "reveal": lambda platform: platform.reveal({ORDER: "oaid-1", "2900000000000000002": "oaid-2"}, Purpose.LABEL),
        "write_back": lambda platform: platform.write_back(HANDOVER),
        "cases": lambda platform: collect(platform.after_sale.cases(WINDOW)),
        "case": lambda platform: platform.after_sale.case(CASE_NAMES.get(type(platform).__name__, CASE)),
        "answer_stop": lambda platform: platform.after_sale.answer_stop(STOPPED),
    },
    CourierKind: {
        "create": lambda courier: courier.create(BOOKING),
        "find": lambda courier: courier.find(REFERENCE),
        "cancel": lambda courier: courier.cancel(REFERENCE, WAYBILL),
        "track": lambda courier: courier.track([Tracked(one, RECEIVER.phone) for one in (WAYBILL, OTHER_WAYBILL)]),
        "intercept": lambda courier: courier.intercept(InterceptRequest(REFERENCE, WAYBILL, SHANGHAI)),
        "ask_intercept": lambda courier: courier.ask_intercept(WAYBILL),
    },
    ChannelKind: {"notify": lambda channel: channel.notify(NOTICE)},
    WarehouseKind: {
        "events": lambda warehouse: warehouse.events("41"),
        "stock": lambda warehouse: warehouse.stock(),
        "place": lambda warehouse: warehouse.place(DOCUMENT),
        "stop": lambda warehouse: warehouse.stop(DOCUMENT_REFERENCE, "WMS-17"),
        "find": lambda warehouse: warehouse.find(DOCUMENT_REFERENCE),
    },
}
CASES_WANTED = {
    PlatformKind: "changes_ok fetch_ok fetch_not_found status_ok reveal_ok write_back_ok write_back_refused"
    " write_back_throttled write_back_duplicate cases_ok cases_unknown_words case_ok case_not_found answer_stop_ok"
    " answer_stop_refused answer_stop_throttled",
    CourierKind: "create_ok create_refused create_throttled create_duplicate find_ok find_not_found find_cancelled"
    " cancel_ok cancel_repeated track_ok intercept_ok intercept_refused intercept_not_allowed",
    ChannelKind: "notify_ok notify_refused",
    WarehouseKind: "events_ok stock_ok place_ok place_refused place_other_content stop_ok stop_too_late stop_pending"
    " stop_not_found find_ok find_not_found",
}
SETTINGS = {
    PlatformKind: settings.Shop,
    CourierKind: settings.CourierContract,
    ChannelKind: settings.Channel,
    WarehouseKind: settings.Location,
}
# Cases of calls that some adapters cannot make: wanted where the capability is there.
CASES_OF_CAPABILITIES = {"can_ask_intercept": "ask_intercept_ok ask_intercept_failed ask_intercept_none"}
# Repeating these may ship, book, charge or pay twice.
WRITES = {"create", "write_back", "place", "intercept", "answer_stop"}
KINDS = [
    kind
    for kinds in (
        registry.platform_kinds(),
        registry.courier_kinds(),
        registry.channel_kinds(),
        registry.warehouse_kinds(),
    )
    for kind in kinds.values()
    # A location of our own speaks on no wire.
    if kind.name != settings.OWN
]


def folder(kind) -> Path:
    return FIXTURES / kind.name


def load(kind, case: str) -> dict[str, Any]:
    return json.loads((folder(kind) / f"{case}.json").read_text())


def cases(kind) -> list[str]:
    return sorted(file.stem for file in folder(kind).glob("*.json") if file.stem != "account")


def call_of(kind, case: str):
    """The longest call name that the case begins with."""
    name = max((name for name in CALLS[type(kind)] if case.startswith(f"{name}_")), key=len)
    return name, CALLS[type(kind)][name]


ALL_CASES = [pytest.param(kind, case, id=f"{kind.name}-{case}") for kind in KINDS for case in cases(kind)]
ALL_CALLS = [
    pytest.param(kind, call, id=f"{kind.name}-{call}")
    for kind in KINDS
    for call in CALLS[type(kind)]
    if any(call_of(kind, case)[0] == call for case in cases(kind))
]
# Some protocols give the body of an answer no meaning; theirs cannot be garbage.
READ_CALLS = [param for param in ALL_CALLS if not load(param.values[0], "account").get("ignores_answer_body")]
each_case = pytest.mark.parametrize(("kind", "case"), ALL_CASES)
each_call = pytest.mark.parametrize(("kind", "call"), ALL_CALLS)
each_read_call = pytest.mark.parametrize(("kind", "call"), READ_CALLS)
each_kind = pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.name) for kind in KINDS])


def account_of(kind, host: str):
    described = load(kind, "account")
    described["settings"]["endpoint"] = f"http://{host}{described['path']}"
    return msgspec.convert(described["settings"], SETTINGS[type(kind)], dec_hook=lambda secret, text: secret(text))


def body_of(answer: dict[str, Any]) -> bytes:
    return answer["text"].encode() if "text" in answer else json.dumps(answer["json"], ensure_ascii=False).encode()


def played(answers: list[dict[str, Any]]):
    """A server that gives these answers in turn, whatever is asked."""
    left = list(answers)

    async def handle(wire):
        while True:
            await wire.receive()
            answer = left.pop(0)
            await wire.answer(body_of(answer), answer.get("status", 200), **answer.get("headers", {}))

    return handle


@pytest.fixture
async def connected(serve, open_door, clock):
    """`await connected(kind, handle)`: a connected adapter, and the server that it talks to."""

    async def connect(kind, handle):
        server = await serve(handle)
        door = await open_door(server.host)
        return kind.connect(account_of(kind, server.host), door, clock), server

    return connect


async def outcome(call, adapter) -> tuple[Any, FulfilmentError | None]:
    try:
        return await call(adapter), None
    except FulfilmentError as error:
        return None, error


def shown(received) -> dict[str, Any]:
    """A request as a fixture writes it: forms and JSON opened, headers of the transport left out."""
    transport = {"host", "accept", "accept-encoding", "user-agent", "content-length", "connection"}
    headers = {name: value for name, value in received.headers.items() if name not in transport}
    parts = urlsplit(received.target)
    asked = {"method": received.method, "path": parts.path, "headers": headers}
    if parts.query:
        asked["query"] = dict(parse_qsl(parts.query, keep_blank_values=True))
    if received.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        form = dict(parse_qsl(received.body.decode(), keep_blank_values=True))
        asked["form"] = {name: opened(value) for name, value in form.items()}
    elif received.body:
        asked["json"] = json.loads(received.body)
    return asked


def opened(text: str) -> Any:
    return json.loads(text) if text[:1] in {"{", "["} else text


def agrees(wanted: Any, found: Any, *, partly: bool) -> bool:
    """Whether `found` is as written; `partly` allows it to hold more names than written."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        is_complete = partly or wanted.keys() == found.keys()
        return is_complete and all(
            name in found and agrees(part, found[name], partly=partly) for name, part in wanted.items()
        )
    if isinstance(wanted, list) and isinstance(found, list):
        return len(wanted) == len(found) and all(map(lambda a, b: agrees(a, b, partly=partly), wanted, found))
    return wanted in ("*", found)


def plain(result: Any) -> Any:
    """A result as JSON would show it; an error as its class in the tree and its code."""
    if isinstance(result, FulfilmentError):
        in_tree = next(kind for kind in type(result).__mro__ if kind.__module__ == errors.__name__)
        return {"kind": in_tree.__name__, "code": result.code}
    if isinstance(result, dict):
        return {name: plain(part) for name, part in result.items()}
    return json.loads(msgspec.json.encode(result))


@each_kind
def test_every_wanted_case_has_a_fixture(kind):
    assert set(CASES_WANTED[type(kind)].split()) <= set(cases(kind))


@each_kind
async def test_every_capability_has_its_fixtures(open_door, clock, kind):
    adapter = kind.connect(account_of(kind, "127.0.0.1:1"), await open_door(), clock)
    for capability, wanted in CASES_OF_CAPABILITIES.items():
        if getattr(adapter, capability, False):
            assert set(wanted.split()) <= set(cases(kind)), capability


@each_case
async def test_requests_and_outcome_are_as_recorded(connected, kind, case):
    recorded = load(kind, case)
    adapter, server = await connected(kind, played(recorded["answers"]))
    _, call = call_of(kind, case)

    result, error = await outcome(call, adapter)

    asked = [shown(received) for received in server.received]
    assert agrees(recorded["asked"], asked, partly=False), json.dumps(asked, ensure_ascii=False, indent=1)
    if "raises" in recorded:
        assert error is not None, result
        assert plain(error) == recorded["raises"]
    else:
        assert error is None, error
        assert agrees(recorded.get("returns"), plain(result), partly=True), plain(result)


@each_case
async def test_no_secret_and_no_person_shows_anywhere(connected, kind, case):
    recorded = load(kind, case)
    adapter, server = await connected(kind, played(recorded["answers"]))
    _, call = call_of(kind, case)

    with capture_logs() as entries:
        _, error = await outcome(call, adapter)

    account = account_of(kind, server.host)
    secrets = [secret.reveal() for secret in account.credentials.values()]
    seen = f"{entries} {adapter!r} {account!r} {error!r} {error and error.facts}"
    assert len(entries) == len(server.received)
    assert not [text for text in (*secrets, *PERSONAL) if text in seen]


GARBAGE = [b"", b" ", b"<html>busy</html>", b"[]", b"null", b"{}", b'{"a":', b"\xff\xfe", b"[" * 100_000]


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda garbage: repr(garbage[:8]))
@each_read_call
async def test_garbage_is_malformed(connected, kind, call, garbage):

    async def babble(wire):
        while True:
            await wire.receive()
            await wire.answer(garbage)

    adapter, _ = await connected(kind, babble)

    assert is_unread(*await outcome(CALLS[type(kind)][call], adapter))


def is_unread(result, error):
    """Malformed, or content of the order that was asked for, kept with its fault."""
    return type(error) is Malformed or bool(getattr(result, "fault", ""))


@each_read_call
async def test_an_answer_cut_anywhere_is_malformed(connected, kind, call):
    whole = body_of(load(kind, f"{call}_ok")["answers"][0])
    for cut in range(1, len(whole), max(len(whole) // 12, 1)):

        async def cut_short(wire, text=whole[:cut]):
            while True:
                await wire.receive()
                await wire.answer(text)

        adapter, _ = await connected(kind, cut_short)
        assert is_unread(*await outcome(CALLS[type(kind)][call], adapter)), whole[:cut]


def is_repeatable(adapter, call: str) -> bool:
    return adapter.is_idempotent if call == "notify" else call not in WRITES


async def hang_up(wire):
    await wire.receive()
    wire.reset()


def answering(status: int, **headers: str):
    async def handle(wire):
        while True:
            await wire.receive()
            await wire.answer(b"{}", status, **headers)

    return handle


@each_call
@pytest.mark.parametrize("handle", [hang_up, answering(500), answering(502)])
async def test_a_lost_answer_to_a_write_is_an_unknown_outcome(connected, kind, call, handle):
    adapter, server = await connected(kind, handle)

    _, error = await outcome(CALLS[type(kind)][call], adapter)

    repeatable = is_repeatable(adapter, call)
    assert type(error) is (Transient if repeatable else UnknownOutcome)
    assert repeatable or len(server.received) == 1


@each_call
async def test_a_refused_connection_is_transient(open_door, clock, kind, call, closed_host):
    adapter = kind.connect(account_of(kind, closed_host), await open_door(closed_host), clock)

    _, error = await outcome(CALLS[type(kind)][call], adapter)

    assert type(error) is Transient


@each_call
@pytest.mark.parametrize(
    ("handle", "expected"),
    [(answering(429, Retry_After="9"), Throttled), (answering(401), Misconfigured), (answering(403), Misconfigured)],
)
async def test_the_server_s_own_refusals(connected, kind, call, handle, expected):
    adapter, server = await connected(kind, handle)

    _, error = await outcome(CALLS[type(kind)][call], adapter)

    assert type(error) is expected
    assert len(server.received) == 1


@each_call
async def test_a_server_that_is_away_for_some_seconds_may_have_done_it(connected, kind, call):
    """A gateway before the server may give up on a request that it has passed on."""
    adapter, server = await connected(kind, answering(503, Retry_After="9"))

    _, error = await outcome(CALLS[type(kind)][call], adapter)

    if is_repeatable(adapter, call):
        assert (type(error), error.after_s) == (Throttled, 9.0)
    else:
        assert (type(error), error.facts["after_s"]) == (UnknownOutcome, 9.0)
    assert len(server.received) == 1


@each_call
async def test_a_redirect_is_not_followed(connected, serve, kind, call):
    other = await serve(answering(200))
    adapter, _ = await connected(kind, answering(302, Location=other.url))

    _, error = await outcome(CALLS[type(kind)][call], adapter)

    assert type(error) is (Misconfigured if is_repeatable(adapter, call) else Malformed)
    assert other.connections == 0


@each_call
async def test_only_configured_hosts_are_called(serve, open_door, clock, kind, call):
    server = await serve(answering(200))
    adapter = kind.connect(account_of(kind, server.host), await open_door("127.0.0.1:1"), clock)

    _, error = await outcome(CALLS[type(kind)][call], adapter)

    assert (type(error), error.code) == (Misconfigured, "host_not_allowed")
    assert server.connections == 0


@each_kind
async def test_a_missing_credential_is_found_when_connecting(open_door, clock, kind):
    described = account_of(kind, "127.0.0.1:1")
    for name in described.credentials:
        left = {other: secret for other, secret in described.credentials.items() if other != name}
        with pytest.raises(Misconfigured) as caught:
            kind.connect(msgspec.structs.replace(described, credentials=left), await open_door(), clock)
        assert (caught.value.code, caught.value.facts["credential"]) == ("credential_missing", name)


@each_case
def test_promised_errors_belong_to_the_tree(kind, case):
    recorded = load(kind, case)
    assert ("raises" in recorded) != ("returns" in recorded)
    if "raises" in recorded:
        assert issubclass(getattr(errors, recorded["raises"]["kind"]), FulfilmentError)
