"""Errors of Pinduoduo by number and call."""

import pytest

from adapters.payload import Fields
from adapters.platforms.pinduoduo import describe
from adapters.platforms.pinduoduo.faults import PHRASES, fault_of, read_error
from domain.errors import Malformed, Misconfigured, Refused, Throttled, Transient, UnknownOutcome


def fault(code, sub_code=None, method=describe.READ_ORDER):
    told = {"error_code": code, "error_msg": "张三 13800000001", "sub_code": sub_code, "sub_msg": "张三"}
    return fault_of(read_error(Fields(told)), method)


@pytest.mark.parametrize(
    ("code", "kind", "name"),
    [
        (52101, Throttled, "call_limit"),
        (70031, Throttled, "call_limit"),
        (70032, Throttled, "call_limit"),
        (50000, Transient, "platform_failed"),
        (52102, Transient, "platform_failed"),
        (52103, Transient, "platform_failed"),
        (70033, Transient, "platform_failed"),
        *((code, Misconfigured, "session_expired") for code in (10011, 10014, 10016, 10019, 10035)),
        (20004, Misconfigured, "signature_invalid"),
        (20005, Misconfigured, "ip_not_allowed"),
        (20007, Misconfigured, "permission_denied"),
        (20031, Misconfigured, "permission_denied"),
        (20032, Misconfigured, "app_key_invalid"),
        (50012, Misconfigured, "interface_withdrawn"),
        (70034, Misconfigured, "risk_control"),
        *((code, Refused, "request_invalid") for code in (10000, 10001, 10002)),
        (50001, Refused, "platform_refused"),
        (99999, Malformed, "error_unknown"),
        ("?", Malformed, "error_unknown"),
        (None, Malformed, "error_unknown"),
    ],
)
def test_by_number(code, kind, name):
    error = fault(code)
    assert (type(error), error.code) == (kind, name)
    assert name in PHRASES
    assert "张三" not in f"{error} {error.facts}"


@pytest.mark.parametrize(
    ("sub_code", "kind", "name"),
    [
        ("45001", Refused, "order_not_found"),
        (45001, Refused, "order_not_found"),
        ("isv.order-service-error", Transient, "platform_failed"),
        ("isv.order-service-error-of-张三", Refused, "platform_refused"),
    ],
)
def test_by_sub_code(sub_code, kind, name):
    error = fault(50001, sub_code)
    assert (type(error), error.code) == (kind, name)


@pytest.mark.parametrize("method", sorted(describe.WRITES))
def test_a_write_of_which_the_platform_failed_may_have_been_carried_out(method):
    assert type(fault(52103, method=method)) is UnknownOutcome
    assert type(fault(52101, method=method)) is Throttled
    assert type(fault(50001, method=method)) is Refused
