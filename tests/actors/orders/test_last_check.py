"""Just before a label the platform is asked for the whole trade, and all that review asks is asked of it again."""

import dataclasses

import pytest

from actors.orders.last_check import CheckedPackage, LastCheck, OrderChangedError, OrderHeldError
from domain.errors import Malformed, Transient
from domain.holds import HoldCode
from domain.order import Lane
from domain.states import State
from domain.waivers import Waiver
from infra.engine.results import SubjectRef
from infra.monitoring.invariants import find_breaches
from infra.tables.orders import load_orders

TEE, CAP = "7001", "7002"
SENT = {"status": "WAIT_BUYER_CONFIRM_GOODS", "invoice_no": "YTO1"}


@pytest.fixture
def lines(trade):
    """A paid trade of two tees and a cap; `tee` and `cap` change fields of their lines."""

    def build(tee=None, cap=None, **changes):
        shown = [
            {
                "oid": int(oid),
                "num_iid": 600000000001,
                "title": sku,
                "num": pieces,
                "price": "10.00",
                "payment": f"{10 * pieces}.00",
                "refund_status": "NO_REFUND",
                "status": "WAIT_SELLER_SEND_GOODS",
                "outer_iid": sku,
            }
            | (given or {})
            for oid, sku, pieces, given in ((TEE, "TEE-1", 2, tee), (CAP, "CAP-1", 1, cap))
        ]
        whole = {"payment": "30.00", "total_fee": "30.00", "orders": {"order": shown}}
        return trade(tid="1001", **whole | changes)

    return build


@pytest.fixture
def house(merchant, lines):
    """The order is allocated; `platform.trades` is what the platform shows from now on."""
    merchant.stock(**{"TEE-1": 10, "CAP-1": 10})
    merchant.deliver(lines())
    merchant.flow("route")
    return merchant


@pytest.fixture
def ask(house):
    """The check of a package that holds `quantities`, with what people let pass."""

    def ask(quantities=None, *waivers, version=None):
        [(order_id, id_, known)] = house.rows(
            """SELECT o.id, f.id, r.version FROM orders AS o JOIN fulfillment_order AS f ON f.order_id = o.id
               JOIN raw_payload AS r ON r.id = o.raw_payload_id"""
        )
        with house.db.transaction() as tx:
            order = load_orders(tx, [order_id])[order_id]
        ref = SubjectRef(1, Lane.BULK, order_id, id_, 1, State.ALLOCATED)
        held = CheckedPackage(ref, order, quantities or {TEE: 2, CAP: 1}, version or known, waivers)
        house.event_loop.run(LastCheck(house.tools).ask(held))

    return ask


def stored(house):
    """Payloads of the order, and how many of them are not read yet."""
    return house.one("SELECT count(*) FROM raw_payload"), len(house.due("normalize"))


def becomes(house, trade):
    house.platform.trades["1001"] = trade


def test_a_content_that_is_known_is_fetched_and_asked_nothing(house, ask):
    statements = house.db.counts.statements
    ask()
    assert (house.platform.asked["fetch"], house.platform.asked["status"]) == (1, 0)
    assert stored(house) == (1, 0)
    assert house.db.counts.statements - statements <= 8, "the version alone decides"


def test_a_content_that_changes_nothing_is_stored_for_the_update(house, ask, lines):
    becomes(house, lines(seller_memo="ok"))
    ask()
    assert stored(house) == (2, 1)
    ask()
    assert stored(house) == (2, 1), "the same content is stored once"


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({"top_hold": 1}, ["platform_hold"]),
        ({"seller_memo": "先别发"}, ["sensitive_word"]),
        ({"receiver_address": "学院路***"}, ["buyer_changed"]),
        ({"receiver_address": "待定"}, ["address_vague", "buyer_changed"]),
        ({"cap": {"refund_status": "WAIT_SELLER_AGREE"}}, ["refund_requested"]),
        ({"cap": {"refund_status": "SELLER_REFUSE_BUYER"}}, ["refund_requested"]),
        ({"status": "TRADE_CLOSED"}, ["refund_requested"]),
        ({"cap": SENT}, ["shipped_elsewhere"]),
        ({"tee": SENT, "cap": SENT, "status": "WAIT_BUYER_CONFIRM_GOODS"}, ["shipped_elsewhere"]),
        ({"payment": "29.00"}, ["amount_mismatch", "buyer_changed"]),
        ({"tee": {"num": 3}}, ["buyer_changed"]),
        ({"tee": {"outer_iid": "CAP-1"}}, ["buyer_changed"]),
    ],
)
def test_what_holds_an_order_holds_it_now(house, ask, lines, changes, codes):
    becomes(house, lines(**changes))
    with pytest.raises(OrderHeldError) as caught:
        ask()
    assert sorted(finding.code for finding in caught.value.findings) == codes
    assert stored(house) == (2, 1)


@pytest.mark.parametrize("missing", ["refund_status", "status"])
def test_silence_is_unknown(house, ask, lines, missing):
    shown = lines()
    del shown["orders"]["order"][1][missing]
    becomes(house, shown)
    with pytest.raises(OrderHeldError) as caught:
        ask()
    [finding] = caught.value.findings
    assert (finding.code, finding.facts) == (HoldCode.REFUND_UNKNOWN, {"refunds": CAP})


def test_a_line_that_is_left_out_is_unknown(house, ask, lines):
    shown = lines(payment="20.00", total_fee="20.00")
    del shown["orders"]["order"][1]
    becomes(house, shown)
    with pytest.raises(OrderHeldError) as caught:
        ask()
    found = {finding.code: finding.facts for finding in caught.value.findings}
    assert found[HoldCode.REFUND_UNKNOWN] == {"refunds": CAP}


@pytest.mark.parametrize(
    ("quantities", "is_wanted"), [({TEE: 2, CAP: 1}, False), ({CAP: 1}, False), ({TEE: 2}, True), ({TEE: 1}, True)]
)
def test_a_refund_that_was_paid_changes_the_packages_that_hold_its_line(house, ask, lines, quantities, is_wanted):
    becomes(house, lines(cap={"refund_status": "SUCCESS"}))
    if is_wanted:
        ask(quantities)
    else:
        with pytest.raises(OrderChangedError):
            ask(quantities)
    assert stored(house) == (2, 1)


def test_what_a_person_let_pass_is_not_asked_again(house, ask, lines):
    becomes(house, lines(cap={"refund_status": "WAIT_SELLER_AGREE"}, seller_memo="先别发"))
    waivers = [Waiver(1, HoldCode.REFUND_REQUESTED, frozenset({CAP})), Waiver(2, HoldCode.SENSITIVE_WORD)]
    ask(None, *waivers)
    with pytest.raises(OrderHeldError):
        ask(None, waivers[1])


def test_a_shipment_that_was_let_pass_is_no_part_of_the_package(house, ask, lines):
    becomes(house, lines(cap=SENT))
    seen = Waiver(1, HoldCode.SHIPPED_ELSEWHERE, frozenset({CAP}))
    ask({TEE: 2}, seen)
    with pytest.raises(OrderChangedError):
        ask({TEE: 2, CAP: 1}, seen)


def test_our_own_number_on_the_platform_is_no_news(house, ask, lines):
    house.run("label")
    ours = SENT | {"invoice_no": house.one("SELECT waybill FROM shipment")}
    becomes(house, lines(tee=ours, cap=ours, status="WAIT_BUYER_CONFIRM_GOODS"))
    ask()


def test_what_cannot_be_read_buys_no_label_and_is_not_stored(house, ask, lines):
    fetch = house.platform.fetch

    async def odd(id_):
        return dataclasses.replace(await fetch(id_), version=b"odd", fault="payload_unreadable")

    house.platform.fetch = odd
    with pytest.raises(Malformed):
        ask()
    assert stored(house) == (1, 0)


def test_a_platform_that_cannot_be_asked_tells_so(house, ask):
    house.platform.errors = {"fetch": [Transient("down")]}
    with pytest.raises(Transient):
        ask()


def test_control_a_check_that_believes_what_is_stored_lets_it_go(house, ask, lines):
    """The harm that asking keeps away."""
    changed = lines(top_hold=1)
    becomes(house, changed)
    house.deliver(changed)
    ask(version=house.one("SELECT version FROM raw_payload ORDER BY id DESC LIMIT 1"))


def breaches(house):
    with house.db.connection() as session:
        return [str(one) for one in find_breaches(session)]


@pytest.mark.parametrize(
    ("changes", "hold"),
    [({"top_hold": 1}, "platform_hold"), ({"tee": SENT, "cap": SENT}, "shipped_elsewhere")],
)
def test_an_order_that_is_held_at_the_last_moment_gets_no_label(house, lines, changes, hold):
    becomes(house, lines(**changes))
    house.run("label")
    assert (house.states(), house.holds(), house.courier.asked) == (["on_hold"], [hold], {})
    house.run("normalize")
    assert (house.states(), house.holds(), breaches(house)) == (["on_hold"], [hold], [])


def test_a_word_that_nobody_knows_yet_buys_no_label(house, lines):
    becomes(house, lines(cap={"refund_status": "SOMETHING_NEW"}))
    house.run("label")
    assert (house.states(), house.holds(), house.courier.asked) == (["on_hold"], ["dead_letter"], {})
    assert (house.letters(), breaches(house)) == ([("label", "status_unknown")], [])


def test_a_line_that_is_refunded_at_the_last_moment_is_taken_out_first(house, lines):
    becomes(house, lines(cap={"refund_status": "SUCCESS"}))
    house.run("label")
    assert (house.states(), house.holds(), house.courier.asked) == (["allocated"], [], {})
    assert [attempts for _, attempts in house.due("label")] == [0], "waiting costs no attempt"
    house.run("normalize")
    house.fall_due()
    house.run("label")
    assert [booking.contents for booking in house.courier.bookings] == [(("TEE-1", 2),)]
    assert (house.counters("TEE-1"), house.counters("CAP-1"), breaches(house)) == ((10, 0, 2), (10, 0, 0), [])


@pytest.mark.parametrize("status", ["WAIT_SELLER_SEND_GOODS", "TRADE_CLOSED"])
def test_an_order_that_ends_at_the_last_moment_closes(house, lines, status):
    becomes(house, lines(tee={"refund_status": "SUCCESS"}, cap={"refund_status": "SUCCESS"}, status=status))
    house.run("label")
    house.run("normalize")
    house.fall_due()
    house.flow()
    assert (house.states(), house.holds(), house.courier.asked) == (["closed"], [], {})
    assert (house.counters("TEE-1"), house.counters("CAP-1"), breaches(house)) == ((10, 0, 0), (10, 0, 0), [])
