"""Readers of Pinduoduo's answers for the fuzzer, each as it is fed: share, documents, reader, preparation."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from adapters.payload import Fields, read_answer
from adapters.platforms.pinduoduo import answers, cases, describe, faults, receivers
from adapters.platforms.pinduoduo.order import raw_order, read_facts, read_order
from domain.errors import FulfilmentError, Malformed
from domain.order import Address
from infra.tables.orders import line_rows, order_row
from infra.tables.rows import rows_json

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
ORDERS = ("2900000000000000001", "2900000000000000002")
CASE = "7390000000000000001"
KEY_BYTES_MAX = 2_000


def whole_order(body: bytes) -> None:
    order = read_order(body, "main")
    row, lines = order_row(order), line_rows(order)
    assert msgspec.json.decode(rows_json([row, *lines]))
    assert 0 <= row["seller_flag"] < 2**15
    assert sum(line["quantity"] for line in lines) < 2**31
    assert sum(line["paid_minor"] + line["unit_price_minor"] for line in lines) < 2**62
    assert all(len(str(line[key]).encode()) <= KEY_BYTES_MAX for line in lines for key in ("line_id", "sku"))
    assert len({line["line_id"] for line in lines}) == len(lines)


def error_answer(body: bytes) -> Any:
    told = read_answer(body)
    error = faults.read_error(Fields(told.get("error_response", told), "error_response", Malformed))
    found = [faults.fault_of(error, method) for method in (describe.READ_ORDER, describe.SEND)]
    assert all(isinstance(fault, FulfilmentError) for fault in found)
    return [fault.facts for fault in found]


def hidden(body: bytes) -> Any:
    return list(receivers.read_hidden(answers.asked_order(body, ORDERS[0]), ORDERS[0], "oaid-1")[:-1])


def decrypted(body: bytes) -> Any:
    place = Address("", "", "浙江省", "杭州市", "西湖区", "", "")
    asked = [
        receivers.PddHidden(one, f"~AgAAAAF3~name-{one}~", f"$AgAAAAF3$phone-{one}$", f"~AgAAAAF3~detail-{one}~", place)
        for one in ORDERS
    ]
    found = receivers.read_decrypted(body, asked)
    assert sorted(found) == list(ORDERS)
    return found


def page_of_changes(body: bytes) -> Any:
    """As the first page of a window, or as a later one."""
    return answers.read_page(body, NOW, use_has_next=len(body) % 2 == 0)


def pdd_readers(recorded: Callable[..., list[Any]]) -> dict[str, tuple[Any, ...]]:
    """By name, as the fuzzer keeps them. `recorded`: the answers of an adapter's recorded cases."""

    def of(*names: str) -> list[Any]:
        return recorded("pdd", *names)

    found = {
        "read_order": (8, of("fetch_ok", "status_ok"), whole_order),
        "read_facts": (3, of("fetch_ok", "status_ok"), read_facts),
        "raw_order": (4, of("fetch_ok", "status_ok"), raw_order),
        "read_page": (5, of("changes_ok", "changes_odd"), page_of_changes),
        "read_status": (5, of("status_ok", "status_refund"), answers.read_status),
        "read_hidden": (3, of("fetch_ok"), hidden),
        "read_decrypted": (4, of("reveal_left_out")[-1:], decrypted),
        "read_sent": (2, of("write_back_ok"), lambda body: answers.read_sent(body, describe.SEND)),
        "read_case_page": (5, of("cases_ok", "cases_unknown"), lambda body: cases.read_case_page(body, NOW, 1)),
        "read_case": (4, of("case_ok"), lambda body: cases.read_case(body, f"{ORDERS[0]}:{CASE}")),
        "read_answered": (2, of("answer_stop_ok"), lambda body: answers.read_answered(body, CASE)),
        "read_error": (3, of("write_back", "fetch"), error_answer),
    }
    return {f"pdd.{name}": (*fed, bytes) for name, fed in found.items()}
