"""Every reader of foreign bytes, fed with mutations: a value that can be stored, or an error of the tree."""

import base64
import dataclasses
import json
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import click
import msgspec
import pytest

from adapters.channels.tencent_sms import read_sent
from adapters.china_time import read_cst
from adapters.couriers.sf import tracking, translate
from adapters.documents import Document, DocumentLine
from adapters.http_client import retry_after_s
from adapters.instants import EARLIEST, LATEST, read_iso
from adapters.payload import Fields, read_answer
from adapters.platforms.douyin import answers as douyin_answers
from adapters.platforms.douyin import cases as douyin_cases
from adapters.platforms.douyin import describe as douyin
from adapters.platforms.douyin import faults as douyin_faults
from adapters.platforms.douyin import order as douyin_order
from adapters.platforms.douyin import receivers as douyin_receivers
from adapters.platforms.taobao import answers, refunds
from adapters.platforms.taobao.faults import fault_of, read_error
from adapters.platforms.taobao.trade import raw_order, read_facts, read_order
from adapters.warehouses.feed import read_events, read_stock
from adapters.warehouses.feed.orders import error_code, read_found, read_stop, read_taken
from domain.errors import FulfilmentError, Malformed, Refused
from domain.money import Money
from domain.order import Address, Order
from domain.warehouse import Scan
from infra.config.rules import load_rules
from infra.tables.orders import line_rows, order_row
from infra.tables.rows import rows_json
from ops.faces.terminal.dry_run import dry_run_tree
from ops.verbs.choose import numbered, read_names
from ops.views.dry_run import normalize
from sandbox.mutations import Mutations
from tests.fuzz.pdd_readers import pdd_readers
from workers.cli.options import Amount, Coming, Moment, Rate
from workers.cli.values import WHOLE

NOW = datetime(2026, 11, 22, 2, tzinfo=UTC)
TOKENS = {"2900000000000000001": "oaid-1", "2900000000000000002": "oaid-2"}
REFERENCE = "TB2900000000000000001-1-0"
DOCUMENT = Document(
    reference="W7B73O67I4YV6HOQ4RJX-W1-1",
    shop="taobao/s1",
    lines=(DocumentLine("2900000000000000011", "TEE-1", 2), DocumentLine("2900000000000000012", "SOCK-1", 1)),
)
RULES = load_rules()
# Bytes of a key that an index of Postgres takes.
KEY_BYTES_MAX = 2_000
FAULTS_SHOWN = 8
SCAN_FILES = [
    "SF1400000000000\nW7B73O67I4YV6HOQ4RJX-W1-1\n17\n",
    'waybill,at\nSF1400000000000,2026-11-22\n"SF1400000007919",\n',
    "17\r\n18\r\n\r\n1.7E+14\r\n",
]
PUSH = {
    "Body": {
        "WaybillRoute": [
            {
                "id": "1",
                "mailno": "SF1000000000001",
                "orderid": REFERENCE,
                "acceptTime": "2026-11-23 10:00:00",
                "acceptAddress": "杭州市",
                "remark": "已签收,签收人:张三",
                "opCode": "8000",
                "reasonCode": "6",
                "reasonName": "",
            },
            {"mailno": "SF1000000000002", "acceptTime": "2026-11-23 10:00:00", "remark": "", "opCode": "80"},
        ]
    }
}


def whole_order(body: bytes) -> None:
    as_rows(read_order(body, "main"))


def as_rows(order: Order) -> None:
    row, lines = order_row(order), line_rows(order)
    assert msgspec.json.decode(rows_json([row, *lines]))
    assert 0 <= row["seller_flag"] < 2**15
    assert sum(line["quantity"] for line in lines) < 2**31
    assert sum(line["paid_minor"] + line["unit_price_minor"] for line in lines) < 2**62
    assert all(len(str(line[key]).encode()) <= KEY_BYTES_MAX for line in lines for key in ("line_id", "sku"))
    assert len({line["line_id"] for line in lines}) == len(lines)


def whole_douyin_order(body: bytes) -> None:
    as_rows(douyin_order.read_order(body, "main"))


def tried(body: bytes) -> None:
    assert msgspec.json.encode(dry_run_tree(normalize(body, "taobao", "main", RULES)))


def error_answer(body: bytes) -> None:
    tree = read_answer(body)
    error = read_error(Fields(tree.get("error_response", tree), "error_response", Malformed))
    for is_read, is_listing in ((True, False), (True, True), (False, False)):
        fault = fault_of(error, is_read=is_read, now=NOW, is_listing=is_listing)
        assert isinstance(fault, FulfilmentError)
        stored(fault.facts)


def douyin_error(body: bytes) -> None:
    error = douyin_faults.read_error(Fields(read_answer(body), "answer", Malformed))
    for method in (douyin.SHIP_LINES, douyin.READ_ORDER, douyin.LIST_CASES, douyin.ANSWER_STOP):
        if error is not None:
            fault = douyin_faults.fault_of(error, method)
            assert isinstance(fault, FulfilmentError)
            stored(fault.facts)


def douyin_hidden(body: bytes) -> Any:
    """The encrypted texts of an order, and their decryption from the same bytes."""
    hidden = douyin_receivers.read_hidden(douyin_answers.order_in(body), "2900000000000000001")
    return [list(hidden[:-1]), douyin_receivers.cipher_infos([hidden])]


def douyin_decrypted(body: bytes) -> Any:
    names = ("2900000000000000001", "2900000000000000002")
    place = Address("", "", "浙江省", "杭州市", "西湖区", "", "")
    asked = [
        douyin_receivers.HiddenReceiver(
            one, f"oaid-{one}", f"##name-{one}==*CgYIASA=#1##", f"$$tel-{one}==*CgYIASA=$1$$",
            f"##detail-{one}==*CgYIASA=#1##", place,
        )
        for one in names
    ]  # fmt: skip
    found = douyin_receivers.read_decrypted(body, asked)
    assert sorted(found) == list(names)
    return found


def page_of_changes(body: bytes) -> Any:
    """As the first page of a window, or as a later one."""
    return answers.read_page(body, NOW, use_has_next=len(body) % 2 == 0)


def page_of_cases(body: bytes) -> Any:
    """As the first page of a window, or as a later one."""
    return refunds.read_page(body, NOW, use_has_next=len(body) % 2 == 0)


def shipment(body: bytes) -> Any:
    return translate.read_shipment(translate.read_envelope(body, is_idempotent=False), REFERENCE)


def routes(body: bytes) -> Any:
    """As the answer to a look-up of two parcels."""
    numbers = ["SF1000000000001", "SF1000000000002"]
    found = tracking.read_routes(translate.read_envelope(body, is_idempotent=True), numbers)
    assert sorted(found) == numbers
    return {number: events for number, events in found.items() if isinstance(events, tuple)}


def a_text(read: Callable[[str], Any]) -> Callable[[bytes], Any]:
    """A reader of a text, which raises ValueError and nothing else."""

    def reader(body: bytes) -> Any:
        try:
            return read(body.decode("utf-8", "surrogatepass"))
        except ValueError:
            return None

    return reader


def names_in(body: bytes) -> Any:
    """A file of scans, of cases or of orders: one name a line, or those of a column."""
    column = "waybill" if body[:7].strip().lower() == b"waybill" else None
    named = read_names(body, column)
    assert all(name == name.strip() != "" for _, name in named)
    return [list(named), [(one.position, one.subject_id, one.code) for one in numbered(named)]]


def said_on_the_command_line(body: bytes) -> Any:
    """The value of an option that chooses or limits cases and picks, by each type that such an option has."""
    text = body.decode("utf-8", "surrogatepass")
    found = []
    for kind in (WHOLE, Moment(), Coming(), Amount(), Rate()):
        try:
            found.append(kind.convert(text, None, None))
        except (click.BadParameter, Refused):
            continue
    if not found:
        raise Refused("no_value", "no option takes it")
    return [one for one in found if not isinstance(one, Money)]


def stored(value: Any) -> None:
    """Whether Postgres takes it and gives it back."""
    if isinstance(value, str):
        assert "\x00" not in value
        value.encode()
    elif isinstance(value, bool | bytes | float | Enum | FulfilmentError | None):
        return
    elif isinstance(value, int):
        assert -(2**63) <= value < 2**63
    elif isinstance(value, datetime):
        assert EARLIEST <= value <= LATEST
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            stored(getattr(value, field.name))
    elif isinstance(value, dict):
        for part in (*value, *value.values()):
            stored(part)
    else:
        for part in value:
            stored(part)


def page_of_orders() -> list[Any]:
    """A page with events of every kind, with all that they may tell."""
    lines = [{"line": "11", "sku": "TEE-1", "planned": 2, "actual": 1}]
    packages = [{"waybill": "SF1", "courier": "sf", "grams": 650, "lines": [{"line": "11", "quantity": 1}]}]
    more = {"id": "WMS-1", "code": "short", "final": True, "lines": lines, "packages": packages, "name": "王五六"}
    known = {"reference": DOCUMENT.reference, "at": "2026-11-22T10:00:00+08:00"}
    events = [{"event_id": f"e-{kind}", "type": kind.value, **known, **more} for kind in Scan]
    return [{"cursor": "77", "has_more": True, "events": events}]


def in_text(inner: dict[str, Any]) -> dict[str, Any]:
    """An answer of SF with its inner document opened, so that mutations reach it: see `closed`."""
    data = inner.get("apiResultData")
    return {**inner, "apiResultData": json.loads(data)} if isinstance(data, str) and data[:1] == "{" else inner


def closed(body: bytes) -> bytes:
    """The inner document of SF's answer becomes a text again, as far as the mutation left it one."""
    try:
        tree = json.loads(body)
        if isinstance(tree.get("apiResultData"), dict | list):
            tree["apiResultData"] = json.dumps(tree["apiResultData"])
        return json.dumps(tree).encode()
    except (ValueError, AttributeError, RecursionError):
        return body


@pytest.fixture(scope="module")
def readers(trades, recorded):
    """By name: how often of a hundred, documents, reader, and what is done to a document before it is read."""
    sf_answers = [
        in_text(answer)
        for answer in recorded(
            "sf", "create_ok", "find_ok", "find_cancelled", "cancel_ok", "create_without", "create_refused"
        )
    ]
    plain = bytes
    return {
        "taobao.read_order": (14, trades, whole_order, plain),
        "taobao.read_facts": (6, trades, read_facts, plain),
        "taobao.raw_order": (7, trades, raw_order, plain),
        "taobao.read_page": (8, recorded("taobao", "changes"), page_of_changes, plain),
        "taobao.read_status": (7, recorded("taobao", "status"), answers.read_status, plain),
        "taobao.read_decrypted": (
            7,
            recorded("taobao", "reveal"),
            lambda body: answers.read_decrypted(body, TOKENS),
            plain,
        ),
        "taobao.read_shipped": (3, recorded("taobao", "write_back_ok"), answers.read_shipped, plain),
        "taobao.read_page of cases": (8, recorded("taobao", "cases_ok", "cases_unknown"), page_of_cases, plain),
        "taobao.read_case": (
            5,
            recorded("taobao", "case_ok"),
            lambda body: refunds.read_case(body, "7390000000000000001"),
            plain,
        ),
        "taobao.read_answered": (2, recorded("taobao", "answer_stop_ok"), refunds.read_answered, plain),
        "taobao.read_error": (4, recorded("taobao", "write_back", "fetch"), error_answer, plain),
        "douyin.read_order": (8, recorded("douyin", "fetch_ok", "status_ok"), whole_douyin_order, plain),
        "douyin.read_facts": (3, recorded("douyin", "fetch_ok", "status_ok"), douyin_order.read_facts, plain),
        "douyin.raw_order": (4, recorded("douyin", "fetch_ok", "status_ok"), douyin_order.raw_order, plain),
        "douyin.read_page": (
            5,
            recorded("douyin", "changes_ok", "changes_odd"),
            lambda body: douyin_answers.read_page(body, NOW),
            plain,
        ),
        "douyin.read_status": (5, recorded("douyin", "status_ok"), douyin_answers.read_status, plain),
        "douyin.read_hidden": (3, recorded("douyin", "fetch_ok"), douyin_hidden, plain),
        "douyin.read_decrypted": (4, [recorded("douyin", "reveal_left_out")[-1]], douyin_decrypted, plain),
        "douyin.read_shipped": (
            2,
            [{"code": 10000, "data": {"pack_list": [{"logistics_code": "SF1", "pack_id": "7"}]}}],
            lambda body: douyin_answers.read_shipped(body, "SF1"),
            plain,
        ),
        "douyin.read_case_page": (
            5,
            recorded("douyin", "cases_ok", "cases_unknown"),
            lambda body: douyin_cases.read_case_page(body, NOW),
            plain,
        ),
        "douyin.read_case": (
            4,
            recorded("douyin", "case_ok"),
            lambda body: douyin_cases.read_case(body, "7390000000000000001"),
            plain,
        ),
        "douyin.read_error": (3, recorded("douyin", "write_back", "fetch"), douyin_error, plain),
        **pdd_readers(recorded),
        "sf.read_shipment": (7, sf_answers, shipment, closed),
        "sf.read_cancelled": (
            4,
            sf_answers,
            lambda body: translate.read_cancelled(translate.read_envelope(body, is_idempotent=True)),
            closed,
        ),
        "sf.read_routes": (5, [in_text(answer) for answer in recorded("sf", "track_ok")], routes, closed),
        "sf.read_push": (4, [PUSH], tracking.read_push, plain),
        "feed.read_events": (8, recorded("feed", "events"), lambda body: read_events(body, "41"), plain),
        "feed.read_events of orders": (6, page_of_orders(), lambda body: read_events(body, "41"), plain),
        "feed.read_stock": (5, recorded("feed", "stock"), read_stock, plain),
        "feed.read_taken": (
            4,
            recorded("feed", "place_ok", "place_in_parts", "place_refused"),
            lambda body: read_taken(body, DOCUMENT),
            plain,
        ),
        "feed.read_stop": (
            3,
            recorded("feed", "stop_ok", "stop_pending", "stop_too_late"),
            lambda body: read_stop(body, DOCUMENT.reference),
            plain,
        ),
        "feed.read_found": (
            3,
            recorded("feed", "find_ok", "find_refused"),
            lambda body: read_found(body, DOCUMENT.reference),
            plain,
        ),
        "orders.error_code": (1, recorded("feed", "find_not_found"), error_code, plain),
        "sms.read_sent": (4, recorded("tencent-sms", "notify"), lambda body: read_sent(body, "evt-1"), plain),
        "door.retry_after_s": (
            2,
            ["7", "Sun, 22 Nov 2026 02:01:30 GMT", "Sun, 22 Nov 2026 02:01:30 +0800"],
            lambda body: retry_after_s(body.decode("utf-8", "surrogatepass"), NOW),
            plain,
        ),
        "china_time.read_cst": (1, ["2026-11-22 10:00:00"], a_text(read_cst), plain),
        "instants.read_iso": (1, ["2026-11-22T10:00:00+08:00", "20261122T100000Z"], a_text(read_iso), plain),
        "dry_run.normalize": (3, trades, tried, plain),
        "choose.read_names": (2, SCAN_FILES, names_in, plain),
        "cli.values": (1, ["17", "3d", "4h", "2026-11-22", "99.90USD", "250", "0.5"], said_on_the_command_line, plain),
    }


def inputs(mutations: Mutations, documents: list[Any], count: int):
    """Mutations of documents, or of texts."""
    for number in range(count):
        if isinstance(documents[0], str):
            yield mutations.text(documents).encode("utf-8", "surrogatepass")
        else:
            yield mutations.of(documents[number % len(documents)])


def test_no_reader_raises_outside_the_tree(readers, mutations, mutations_wanted, fuzz_seed, personal_in):
    faults: dict[str, str] = {}
    read, refused, seconds = Counter(), Counter(), Counter()
    for name, (share, documents, reader, before) in readers.items():
        secrets = personal_in(documents)
        began = time.perf_counter()
        for body in inputs(mutations, documents, max(20, mutations_wanted * share // 100)):
            sent = before(body)
            try:
                value = reader(sent)
                stored(value)
            except FulfilmentError as error:
                refused[name] += 1
                told = f"{error} {error.message} {error.facts}"
                stored(error.facts)
                if any(secret in told for secret in secrets):
                    faults.setdefault(f"{name}: personal data in {error.code}", base64.b64encode(sent).decode())
            except BaseException as error:  # noqa: BLE001 - what the fuzzer is looking for
                where = error.__traceback__
                while where and where.tb_next:
                    where = where.tb_next
                place = f"{where.tb_frame.f_code.co_filename}:{where.tb_lineno}" if where else ""
                faults.setdefault(f"{name}: {type(error).__name__} at {place}", base64.b64encode(sent).decode())
            else:
                read[name] += 1
        seconds[name] = round(time.perf_counter() - began, 1)
    for name in readers:
        print(f"{name:24} {read[name] + refused[name]:8} mutations, {read[name]:8} read, {seconds[name]:6} s")  # noqa: T201 - the report of a long run
    print(f"in all {(read + refused).total()} mutations, {sum(seconds.values()):.0f} s, seed {fuzz_seed}")  # noqa: T201 - as above
    assert {fault: sent[:4_000] for fault, sent in list(faults.items())[:FAULTS_SHOWN]} == {}
    assert all(read[name] for name in readers), "a reader that refuses everything is not tried"
    assert all(
        refused[name]
        for name in readers
        if name.startswith(("taobao.read_o", "douyin.read_o", "pdd.read_o", "sf", "feed", "sms", "dry"))
    )


def test_a_reader_without_care_is_found_out(trades, mutations):
    """The control: the fuzzer finds what a plain reader does not expect."""
    raised = Counter()
    for number in range(400):
        try:
            tree = json.loads(mutations.of(trades[number % len(trades)]))
            trade = next(iter(tree.values()))["trade"]
            datetime.fromisoformat(trade["created"]).astimezone(UTC)
            int(trade["orders"]["order"][0]["num"])
        except Exception as error:  # noqa: BLE001 - what the fuzzer is looking for
            raised[type(error).__name__] += 1
    assert len(raised) > 3, raised


def test_the_same_seed_draws_the_same_bytes(trades, fuzz_seed):
    one, other = Mutations(fuzz_seed), Mutations(fuzz_seed)
    assert [one.of(trades) for _ in range(50)] == [other.of(trades) for _ in range(50)]
