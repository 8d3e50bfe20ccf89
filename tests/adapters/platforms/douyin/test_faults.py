import pytest

from adapters.payload import Fields
from adapters.platforms.douyin import describe
from adapters.platforms.douyin.faults import ACCOUNT_FAULTS, PHRASES, fault_of, read_error
from adapters.ports import NARROWER
from domain.errors import Conflict, Malformed, Misconfigured, Refused, Throttled, Transient, UnknownOutcome

SHIP, LIST, READ, ANSWER = describe.SHIP_ALL, describe.LIST_CHANGES, describe.READ_ORDER, describe.ANSWER_STOP
BUSINESS, PARAMETER, SYSTEM = "isv.business-failed:", "isv.parameter-invalid:", "isp.service-error:"


def fault(code, sub_code="", method=READ):
    error = read_error(
        Fields({"code": code, "msg": "x", "sub_code": sub_code, "sub_msg": "测试甲 13800000001"}, "answer")
    )
    assert error is not None
    return fault_of(error, method)


@pytest.mark.parametrize("method", [SHIP, LIST, READ, ANSWER])
@pytest.mark.parametrize(
    ("code", "sub_code", "kind", "name"),
    [
        *[(40003, head, Misconfigured, name) for head, name in ACCOUNT_FAULTS.items()],
        # The number before a known sub-code decides nothing: two tables disagree about it.
        (40001, "isv.access-token-missing", Misconfigured, "session_expired"),
        (40002, "isv.signature-missing", Misconfigured, "signature_invalid"),
        (30001, "", Misconfigured, "permission_denied"),
        (30002, "isv.something", Misconfigured, "ip_not_allowed"),
        (70000, "", Misconfigured, "interface_withdrawn"),
        (80000, "", Misconfigured, "risk_control"),
        (60000, "", Throttled, "call_limit"),
        (60000, "isp.traffic-limited:628002006", Throttled, "call_limit"),
        (20000, "isv.traffic-limited", Throttled, "call_limit"),
        (40003, "isv.parameter-format-invalid", Refused, "request_invalid"),
        (40002, "isv.missing-parameter:1", Refused, "request_invalid"),
        (40001, "isv.parameter-missing", Refused, "request_invalid"),
        (50002, "isv.business-failed:1", Refused, "platform_refused"),
        (10001, "", Refused, "platform_refused"),
        (99999, "", Malformed, "error_unknown"),
        ("text", "what.is-this", Malformed, "error_unknown"),
    ],
)
def test_what_holds_for_every_call(code, sub_code, kind, name, method):
    error = fault(code, sub_code, method)
    assert (type(error), error.code) == (kind, name)
    assert error.message.startswith(PHRASES.get(name, "the platform refused"))


@pytest.mark.parametrize(
    ("code", "sub_code"),
    [(20000, SYSTEM + "60106"), (20000, "dop.service-error"), (20001, ""), (90000, "dop.unknown-error")],
)
def test_a_platform_failure_leaves_a_write_open(code, sub_code):
    assert type(fault(code, sub_code)) is Transient
    for write in describe.WRITES:
        assert type(fault(code, sub_code, write)) is UnknownOutcome


@pytest.mark.parametrize("method", [describe.SHIP_ALL, describe.SHIP_LINES])
@pytest.mark.parametrize(
    ("tails", "kind", "name"),
    [
        ("60110 70023", Conflict, "already_shipped"),
        ("60113", Conflict, "order_finished"),
        ("60021", Conflict, "order_closed"),
        ("60137", Refused, "order_state_wrong"),
        ("60033 60101 60102", Refused, "order_not_found"),
        ("60109", Transient, "risk_review"),
        ("60040 60120", Refused, "refund_open"),
        ("60068", Refused, "refund_paid"),
        ("60017 60127 70018 70019 70020 70022", Refused, "waybill_rejected"),
        ("60018", Refused, "courier_code_unknown"),
        ("60128 60026", Refused, "courier_rejected"),
        ("60106 60114 60121 60124 60125 8888", Transient, "platform_busy"),
        ("60107 60108 60111 60116 60123 60024", Refused, "shipping_kind_wrong"),
        ("60056", Refused, "serial_number_wanted"),
        ("60027 60072 700029", Refused, "shop_address_wanted"),
        ("60080 60105 700047", Refused, "split_rejected"),
    ],
)
def test_shipping(method, tails, kind, name):
    for tail in tails.split():
        # The same tail stands behind business and parameter faults.
        for error in (fault(50002, BUSINESS + tail, method), fault(40004, PARAMETER + tail, method)):
            assert (type(error), error.code) == (kind, name)


def test_a_known_request_is_looked_up():
    error = fault(40003, "isv.idempotent-id-existed", describe.SHIP_LINES)
    assert (type(error), error.code) == (Conflict, "already_shipped")


@pytest.mark.parametrize(
    ("sub_code", "kind", "name"),
    [
        (PARAMETER + "20014", Refused, "order_not_found"),
        (PARAMETER + "20001", Refused, "order_not_found"),
        (BUSINESS + "20015", Refused, "order_not_found"),
        (BUSINESS + "20004", Transient, "platform_busy"),
        (BUSINESS + "20045", Transient, "platform_busy"),
    ],
)
def test_reading_an_order(sub_code, kind, name):
    error = fault(50002, sub_code)
    assert (type(error), error.code) == (kind, name)


def test_a_tail_means_what_it_means_in_its_own_call():
    assert fault(50002, BUSINESS + "12001", ANSWER).code == "already_refunded"
    assert fault(50002, BUSINESS + "12001", describe.READ_CASE).code == "platform_refused"
    assert type(fault(50002, BUSINESS + "10000", ANSWER)) is UnknownOutcome
    assert fault(50002, BUSINESS + "20014", SHIP).code == "platform_refused"


@pytest.mark.parametrize("method", [describe.LIST_CHANGES, describe.LIST_CASES])
def test_a_listing_that_goes_too_deep_is_asked_for_less(method):
    error = fault(40004, PARAMETER + "20013", method)
    assert (type(error), error.code, error.facts[NARROWER]) == (Throttled, "listing_too_deep", True)
    assert type(fault(40004, PARAMETER + "20013")) is Refused


@pytest.mark.parametrize("code", [10000, "10000"])
def test_success_is_no_error(code):
    assert read_error(Fields({"code": code, "sub_code": "isv.anything"})) is None


@pytest.mark.parametrize("tree", [{}, {"code": None}, {"code": ""}])
def test_an_answer_that_says_nothing_is_malformed(tree):
    with pytest.raises(Malformed):
        read_error(Fields(tree, "answer", Malformed))


def test_no_text_of_the_platform_is_repeated():
    error = fault(50002, BUSINESS + "60017 测试甲")
    assert "测试甲" not in f"{error} {error.facts}"
