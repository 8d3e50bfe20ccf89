from datetime import UTC, datetime

import pytest

from adapters.payload import Fields
from adapters.platforms.taobao.faults import fault_of, read_error
from adapters.ports import NARROWER
from domain.errors import Conflict, Malformed, Misconfigured, Refused, Throttled, Transient, UnknownOutcome

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
OFFLINE = "isv.logistics-offline-service-error:"


def fault(code, sub_code="", text="", *, is_read=True, is_listing=False):
    error = read_error(Fields({"code": code, "msg": text, "sub_code": sub_code}))
    return fault_of(error, is_read=is_read, now=NOW, is_listing=is_listing)


@pytest.mark.parametrize("is_read", [True, False])
@pytest.mark.parametrize(
    ("code", "sub_code", "kind", "name"),
    [
        *[(code, "", Misconfigured, "session_expired") for code in (26, 27)],
        *[(code, "", Misconfigured, "permission_denied") for code in (11, 12, 13)],
        (25, "isv.invalid-signature", Misconfigured, "signature_invalid"),
        *[(code, "", Misconfigured, "app_key_invalid") for code in (28, 29)],
        *[(code, "", Misconfigured, "timestamp_invalid") for code in (30, 31)],
        (24, "isv.missing-signature", Misconfigured, "signature_invalid"),
        *[(code, "isv.x", Refused, "request_invalid") for code in (9, 21, 22, 23, 32, 33, 34, 40, 41, 42, 43)],
        *[(code, "", Throttled, "call_limit") for code in (4, 5, 6, 7, 8)],
        (15, "accesscontrol.limited-by-api-access-count", Throttled, "call_limit"),
        (15, OFFLINE + "B01", Refused, "order_not_found"),
        (15, OFFLINE + "B02", Refused, "order_state_wrong"),
        (15, OFFLINE + "B04", Conflict, "already_shipped"),
        (15, OFFLINE + "B56", Refused, "courier_code_unknown"),
        (15, OFFLINE + "B60", Refused, "waybill_rejected"),
        (15, OFFLINE + "B150", Transient, "platform_busy"),
        (15, OFFLINE + "P38", Refused, "split_rejected"),
        (15, OFFLINE + "S01", Refused, "shipment_rejected"),
        (15, "isv.logistics-update-company-or-mailno-error:CD19", Refused, "resend_rejected"),
        (15, "isv.trade-not-exist", Refused, "order_not_found"),
        (15, "isv.something-else", Refused, "platform_refused"),
        (530, "", Refused, "platform_refused"),
        (2, "", Malformed, "error_unknown"),
        ("text", "", Malformed, "error_unknown"),
        ("27", "", Misconfigured, "session_expired"),
    ],
)
def test_the_table(code, sub_code, kind, name, is_read):
    error = fault(code, sub_code, is_read=is_read)

    assert (type(error), error.code) == (kind, name)


@pytest.mark.parametrize(
    ("code", "sub_code"), [(10, ""), (10, "isp.unknown-error"), (15, "isp.top-remote-connection-timeout")]
)
def test_a_platform_failure_leaves_a_write_open(code, sub_code):
    assert type(fault(code, sub_code)) is Transient
    assert type(fault(code, sub_code, is_read=False)) is UnknownOutcome


@pytest.mark.parametrize(
    ("text", "after_s"),
    [
        ("This ban will last for 1 more seconds", 1.0),
        ("This ban will last for 3600 seconds", 3600.0),
        ("This ban will last for 999999 more seconds", 86_400.0),
        ("App Call Limited", 10.0),
        # 18:00 in China: six hours to midnight.
        ("call quota per day used up", 6 * 3600.0),
    ],
)
def test_the_length_of_a_ban(text, after_s):
    assert fault(7, "accesscontrol.limited-by-app-access-count", text).after_s == after_s


def test_the_platform_s_words_are_not_kept():
    error = fault(15, "isv.x", "收件人电话13800000001不正确")

    assert error.message == "the platform refused (code isv.x)"
    assert error.facts == {"code": 15, "sub_code": "isv.x"}


def test_a_listing_that_asks_for_too_much_is_asked_again_in_three_minutes_with_a_shorter_window():
    error = fault(15, "isv.trade-service-rejection", is_listing=True)
    assert (type(error), error.code, error.after_s) == (Throttled, "listing_rejected", 180)
    assert error.facts[NARROWER] is True


@pytest.mark.parametrize(("is_read", "kind"), [(True, Transient), (False, UnknownOutcome)])
def test_the_same_words_in_a_call_about_one_order_do_not_keep_the_shop_waiting(is_read, kind):
    error = fault(15, "isv.trade-service-rejection", is_read=is_read)
    assert (type(error), error.code) == (kind, "platform_failed")
    assert NARROWER not in error.facts
