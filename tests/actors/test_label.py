import pytest

from domain.errors import Conflict, Malformed, Misconfigured, Poison, Refused, Throttled, Transient, UnknownOutcome
from ops.faces.terminal.words import WORDS


class Killed(BaseException):
    """The end of the process, between two instructions."""


@pytest.fixture
def allocated(merchant, trade):
    """One order with its package, ready for the label."""
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(trade(tid="1001"))
    merchant.flow("route")
    return merchant


def shipments(merchant):
    return merchant.rows("SELECT generation, status, waybill, call_deadline IS NOT NULL FROM shipment ORDER BY id")


def crash(merchant, step="label"):
    """The process dies during its call, and the sweeper frees what it held."""
    with pytest.raises(Killed):
        merchant.run(step)
    merchant.rows("UPDATE work SET lease_token = NULL, lease_until = NULL, is_suspect = true WHERE step = %s", step)
    merchant.rows("DELETE FROM flight")


def test_a_package_gets_one_waybill(allocated):
    allocated.run("label")
    assert shipments(allocated) == [(1, "booked", "SF0001", False)]
    assert allocated.states() == ["allocated"], "a label is a side dimension"
    assert allocated.due("label") == []
    [booking] = allocated.courier.bookings
    assert booking.receiver.name == "林小满"
    assert (booking.sender.city, booking.contents) == ("杭州市", (("棉质T恤", 1),))
    assert booking.reference == allocated.one("SELECT reference FROM shipment")


def test_the_plain_receiver_is_stored_nowhere(allocated):
    allocated.run("label")
    for table in ("receiver", "event", "shipment", "package", "hold", "dead_letter", "work", "orders"):
        assert "林小满" not in str(allocated.rows(f"SELECT * FROM {table}"))  # noqa: S608 - names of this test


def test_the_intent_is_durable_before_the_call(allocated):
    seen = []
    create = allocated.courier.create

    async def look(booking):
        seen.extend(shipments(allocated))
        return await create(booking)

    allocated.courier.create = look
    allocated.run("label")
    assert seen == [(1, "intended", None, True)]


@pytest.mark.parametrize("at", ["create", "after_create"])
def test_after_a_crash_the_courier_is_asked_first_and_not_before_the_deadline(allocated, at):
    allocated.courier.errors = {at: [Killed()]}
    crash(allocated)
    assert shipments(allocated) == [(1, "intended", None, True)]
    asked = dict(allocated.courier.asked)
    allocated.run("label")
    assert dict(allocated.courier.asked) == asked, "the earlier call may still run"
    wait_s = allocated.one("SELECT extract(epoch FROM due_at - now())::float8 FROM work WHERE step = 'label'")
    assert 30 < wait_s <= 45
    allocated.fall_due()
    allocated.run("label")
    assert allocated.courier.asked["find"] == 1
    assert [one.number for one in allocated.courier.waybills] == ["SF0001"]
    assert shipments(allocated) == [(1, "booked", "SF0001", False)]


def test_control_without_asking_a_forgetful_courier_books_twice(allocated):
    """The harm that asking first keeps away."""
    allocated.courier.knows_references = False
    allocated.courier.errors = {"after_create": [Killed()]}
    crash(allocated)
    allocated.rows("UPDATE shipment SET call_deadline = NULL")
    allocated.fall_due()
    allocated.run("label")
    assert len(allocated.courier.waybills) == 2


def test_with_asking_a_forgetful_courier_books_once(allocated):
    allocated.courier.knows_references = False
    allocated.courier.errors = {"after_create": [Killed()]}
    crash(allocated)
    allocated.fall_due()
    allocated.run("label")
    assert len(allocated.courier.waybills) == 1
    assert shipments(allocated) == [(1, "booked", "SF0001", False)]


def test_a_look_up_that_lags_is_believed_only_once_it_cannot(allocated):
    allocated.courier.find_lag_s = 20.0
    allocated.courier.errors = {"after_create": [UnknownOutcome("timed_out")]}
    allocated.run("label")
    allocated.rows("UPDATE work SET due_at = now()")
    allocated.run("label")
    assert dict(allocated.courier.asked) == {"create": 1, "after_create": 1}, "nobody is asked yet"
    wait_s = allocated.one("SELECT extract(epoch FROM due_at - now())::float8 FROM work WHERE step = 'label'")
    assert 0 < wait_s <= 20
    allocated.fall_due()
    allocated.run("label")
    assert allocated.courier.asked["find"] == 1
    assert shipments(allocated) == [(1, "booked", "SF0001", False)]


def test_a_question_without_an_answer_is_asked_again_before_any_call(allocated):
    allocated.courier.knows_references = False
    allocated.courier.errors = {
        "after_create": [UnknownOutcome("reset")],
        "find": [Transient("down"), Transient("down")],
    }
    for _ in range(4):
        allocated.run("label")
        allocated.fall_due()
    assert allocated.courier.asked["find"] == 3
    assert len(allocated.courier.waybills) == 1
    assert shipments(allocated) == [(1, "booked", "SF0001", False)]


@pytest.mark.parametrize("error", [Transient("reset"), Throttled("slow", after_s=1), Misconfigured("key")])
def test_a_call_that_surely_had_no_effect_needs_no_question(allocated, error):
    allocated.courier.errors = {"create": [error]}
    allocated.run("label")
    assert shipments(allocated) == [(1, "intended", None, False)]
    assert [attempts for _, attempts in allocated.due("label")] == [int(isinstance(error, Transient))]
    allocated.fall_due()
    allocated.run("label")
    assert allocated.courier.asked["find"] == 0
    assert shipments(allocated) == [(1, "booked", "SF0001", False)]


def test_too_short_a_lease_leaves_no_trace_of_a_call(make_merchant, trade):
    merchant = make_merchant(lease_s=44.0)
    merchant.stock(**{"TEE-1": 10})
    merchant.courier.can_find = False
    merchant.deliver(trade())
    merchant.flow("route")
    merchant.runners["label"].run(merchant.bells.keys[-1])
    assert shipments(merchant) == [(1, "intended", None, False)]
    assert merchant.due("label") == [(merchant.one("SELECT id FROM package"), 0)]
    assert merchant.courier.asked == {}


def test_an_answer_for_another_reference_is_malformed_and_asked_about(allocated):
    allocated.courier.answers_for = "SOMEBODY-ELSE-1-1"
    allocated.run("label")
    assert shipments(allocated) == [(1, "intended", None, True)]
    assert allocated.rows("SELECT causes->0->>'code' FROM work WHERE step = 'label'") == [("foreign_answer",)]
    allocated.fall_due()
    allocated.run("label")
    assert shipments(allocated) == [(1, "booked", "SF0001", False)]


def test_a_cancelled_shipment_is_voided_before_the_next_generation(allocated):
    allocated.courier.errors = {"after_create": [UnknownOutcome("reset")]}
    allocated.run("label")
    [one] = allocated.courier.waybills
    allocated.courier.waybills = [type(one)(one.reference, one.number, alive=False)]
    allocated.fall_due()
    allocated.run("label")
    assert shipments(allocated) == [(1, "voided", None, False), (2, "booked", "SF0002", False)]
    references = [row[0] for row in allocated.rows("SELECT reference FROM shipment ORDER BY id")]
    assert [reference[-2:] for reference in references] == ["-1", "-2"]
    assert references[0][:-2] == references[1][:-2]


def test_a_duplicate_reference_is_found_and_adopted(allocated):
    allocated.courier.errors = {"after_create": [Transient("reset although it had its effect")]}
    allocated.run("label")
    allocated.fall_due()
    allocated.run("label")
    assert allocated.courier.asked == {"create": 2, "after_create": 1, "find": 1}
    assert shipments(allocated) == [(1, "booked", "SF0001", False)]


def test_a_duplicate_that_cannot_be_found_is_malformed(allocated):
    allocated.courier.errors = {"create": [Conflict("duplicate_reference")]}
    allocated.run("label")
    assert allocated.rows("SELECT causes->0->>'code' FROM work WHERE step = 'label'") == [("duplicate_not_found",)]
    assert shipments(allocated) == [(1, "intended", None, True)]


def test_without_look_up_an_idempotent_courier_is_called_again(allocated):
    allocated.courier.can_find, allocated.courier.is_idempotent = False, True
    allocated.courier.errors = {"create": [UnknownOutcome("reset")]}
    allocated.run("label")
    allocated.fall_due()
    allocated.run("label")
    assert allocated.courier.asked == {"create": 2, "after_create": 1}
    assert shipments(allocated) == [(1, "booked", "SF0001", False)]


def test_with_neither_a_person_decides(allocated):
    allocated.courier.can_find = False
    allocated.courier.errors = {"create": [UnknownOutcome("reset")]}
    allocated.run("label")
    allocated.fall_due()
    allocated.run("label")
    assert allocated.courier.asked["create"] == 1
    assert (allocated.states(), allocated.holds()) == (["on_hold"], ["waybill_error"])


def test_a_refusal_holds_the_order(allocated):
    allocated.courier.errors = {"create": [Refused("out_of_range", "not served")]}
    allocated.run("label")
    assert (allocated.states(), allocated.holds()) == (["on_hold"], ["waybill_error"])
    assert allocated.rows("SELECT resume_state FROM fulfillment_order") == [("allocated",)]
    assert allocated.due("label") == []


@pytest.mark.parametrize("shown", ["refunds", "closed"])
def test_a_refund_seen_at_the_last_moment_buys_no_label(allocated, shown):
    getattr(allocated.platform, shown).add("1001")
    allocated.run("label")
    assert (allocated.states(), allocated.holds()) == (["on_hold"], ["refund_requested"])
    assert allocated.courier.asked == {}
    assert shipments(allocated) == [(1, "intended", None, False)]


@pytest.mark.parametrize("error", [Transient("down"), Malformed("odd"), KeyError("defect")])
def test_a_platform_that_cannot_be_asked_buys_no_label(allocated, error):
    allocated.platform.errors = {"fetch": [error]}
    allocated.run("label")
    assert allocated.courier.asked["create"] == 0
    assert [attempts for _, attempts in allocated.due("label")] == [1]


def test_a_receiver_that_is_not_revealed_fails_its_own_package_only(merchant, trade):
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(trade(tid="1001"), trade(tid="1002"), trade(tid="1003", oaid=None, receiver_address="文三路 1 号"))
    merchant.flow("route")
    known = merchant.platform.reveal

    async def reveal(tokens, purpose):
        found = await known({id_: token for id_, token in tokens.items() if id_ != "1001"}, purpose)
        return found | {id_: Refused("oaid_expired") for id_ in tokens if id_ == "1002"}

    merchant.platform.reveal = reveal
    merchant.run("label")
    assert [status for _, status, *_ in shipments(merchant)] == ["intended", "intended", "booked"]
    assert merchant.holds() == ["waybill_error"]
    assert len(merchant.due("label")) == 1


def test_a_shop_whose_receivers_cannot_be_had_at_all(allocated):
    allocated.platform.errors = {"reveal": [Throttled("slow", after_s=1)]}
    allocated.run("label")
    assert [attempts for _, attempts in allocated.due("label")] == [0]
    assert allocated.courier.asked == {}


def test_an_unconfigured_account_waits_for_its_settings(allocated):
    allocated.tools.couriers.clear()
    for _ in range(5):
        allocated.run("label")
        allocated.fall_due()
    assert [attempts for _, attempts in allocated.due("label")] == [0]
    assert allocated.letters() == []
    allocated.tools.couriers["sf/main"] = allocated.courier
    allocated.run("label")
    assert [status for _, status, *_ in shipments(allocated)] == ["booked"]


def test_poison_is_a_dead_letter_that_holds_its_order(allocated):
    allocated.courier.errors = {"create": [Poison("unreadable")]}
    allocated.run("label")
    assert allocated.letters() == [("label", "unreadable")]
    assert (allocated.states(), allocated.holds()) == (["on_hold"], ["dead_letter"])


def test_a_package_that_is_booked_or_stopped_is_left_alone(allocated):
    allocated.run("label")
    package = allocated.one("SELECT id FROM package")
    again = "INSERT INTO work (step, subject_id, lane, account) VALUES ('label', %s, 'bulk', 'sf/main')"
    allocated.rows(again, package)
    allocated.run("label")
    assert allocated.courier.asked["create"] == 1
    assert allocated.due("label") == []


@pytest.mark.parametrize(("ship_on", "due"), [("label", 1), ("handover", 0)])
def test_a_shop_that_ships_on_label_hears_now(make_merchant, trade, ship_on, due):
    merchant = make_merchant(ship_on=ship_on)
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(trade())
    merchant.flow("label")
    assert len(merchant.due("writeback")) == due
    assert merchant.one("SELECT count(*) FROM writeback") == due


@pytest.mark.parametrize(
    ("error", "code"), [(Refused("out_of_range", "not served"), "waybill_error"), (Poison("unreadable"), "dead_letter")]
)
def test_the_timeline_names_the_hold_and_beside_it_the_error(allocated, error, code):
    allocated.courier.errors = {"create": [error]}
    allocated.run("label")
    [(facts,)] = allocated.rows("SELECT facts FROM event WHERE kind = 'hold_opened'")
    assert (facts["code"], facts["error"]) == (code, error.code)
    assert WORDS.event("hold_opened", facts).startswith(f"hold {code}: ")
