"""Notices by text message: the buyer's number is asked for, nothing is sent twice, and silence has a reason."""

import pytest

from adapters.ports import Purpose
from domain.errors import Conflict, Malformed, Misconfigured, Poison, Refused, Throttled, Transient, UnknownOutcome
from domain.outcomes import Later
from domain.phone import Unreachable


class Killed(BaseException):
    """The end of the process, between two instructions."""


@pytest.fixture
def texting(merchant, trade):
    """One package that has left, and a channel that sends text messages."""
    merchant.notifier.is_idempotent = False
    merchant.notifier.needs_mobile = True
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(trade(tid="1001"))
    merchant.flow("label")
    merchant.scan("handed_over")
    merchant.platform.revealed_for.clear()
    return merchant


def ended(merchant):
    [row] = merchant.rows("SELECT status, reason FROM notice")
    return row


def die(merchant):
    merchant.rows("UPDATE work SET lease_token = NULL, lease_until = NULL, is_suspect = true")
    merchant.fall_due()


def test_a_hidden_number_is_revealed_for_the_sending_alone(texting):
    texting.run("notify")
    assert [notice.mobile for notice in texting.notifier.told] == ["13800000001"]
    assert texting.platform.revealed_for == [Purpose.NOTICE]
    assert ended(texting) == ("told", None)
    kept = texting.one("SELECT phone || (SELECT string_agg(facts::text, ' ') FROM event) FROM receiver")
    assert "13800000001" not in kept


def test_a_plain_number_is_asked_of_nobody(merchant, trade):
    merchant.notifier.needs_mobile = True
    merchant.stock(**{"TEE-1": 10})
    plain = {
        "oaid": None,
        "receiver_name": "林小满",
        "receiver_mobile": "13800000009",
        "receiver_address": "文三路 1 号",
    }
    merchant.deliver(trade(tid="1001", **plain))
    merchant.flow("label")
    merchant.scan("handed_over")
    merchant.run("notify")
    assert [notice.mobile for notice in merchant.notifier.told] == ["13800000009"]
    assert merchant.platform.revealed_for == []


@pytest.mark.parametrize(
    ("receiver", "reason"),
    [
        ({"has_virtual_phone": True}, "phone_virtual"),
        ({"phone": "13800000001-1234"}, "phone_virtual"),
        ({"phone": "0571-87654321"}, "phone_not_mobile"),
        ({"phone": "138****0001"}, "phone_hidden"),
    ],
)
def test_a_buyer_who_cannot_be_texted_is_recorded_and_fails_nothing(texting, receiver, reason):
    texting.platform.receiver = receiver
    texting.run("notify")
    assert texting.notifier.told == []
    assert ended(texting) == ("unreachable", reason)
    assert texting.states() == ["in_transit"]
    assert (texting.letters(), texting.holds(), texting.due("notify")) == ([], [], [])
    why = texting.one("SELECT facts ->> 'why' FROM event WHERE step = 'notify' AND facts ? 'notice'")
    assert why == reason


def test_a_hidden_number_without_a_handle_is_not_reachable(texting):
    texting.rows("UPDATE receiver SET merge_token = ''")
    texting.run("notify")
    assert ended(texting) == ("unreachable", "phone_hidden")
    assert texting.platform.revealed_for == []


@pytest.mark.parametrize("error", [Refused("receiver_not_revealed"), Conflict("receiver_token_stale")])
def test_a_platform_that_will_not_reveal_is_a_reason(texting, error):
    texting.platform.errors = {"reveal": [error]}
    texting.run("notify")
    assert ended(texting) == ("unreachable", error.code)


@pytest.mark.parametrize(
    ("error", "attempts"), [(Transient("down"), 1), (Malformed("garbage"), 1), (Throttled("slow", after_s=1.0), 0)]
)
def test_a_platform_that_cannot_reveal_now_is_asked_again(texting, error, attempts):
    """Only the question went wrong, so nothing is unclear about the message."""
    texting.platform.errors = {"reveal": [error]}
    texting.run("notify")
    assert ended(texting) == ("pending", None)
    assert [spent for _, spent in texting.due("notify")] == [attempts]
    texting.fall_due()
    texting.run("notify")
    assert ended(texting) == ("told", None)


def test_a_defect_before_the_sending_leaves_the_message_unsent(texting):
    """Nothing is unclear about it: it is tried as often as any defect, then a dead letter tells."""
    tries = texting.settings.engine.bug_attempts_max
    texting.platform.errors = {"reveal": [KeyError("a bug") for _ in range(tries)]}
    for spent in range(1, tries):
        texting.run("notify")
        assert ended(texting) == ("pending", None)
        assert [attempts for _, attempts in texting.due("notify")] == [spent]
        texting.fall_due()
    texting.run("notify")
    assert ended(texting) == ("pending", None)
    assert (texting.letters(), texting.due("notify")) == ([("notify", "KeyError")], [])
    assert texting.notifier.told == []


def test_a_number_that_cannot_be_read_at_all_is_a_dead_letter_at_once(texting):
    texting.platform.errors = {"reveal": [Poison("receiver_unreadable")]}
    texting.run("notify")
    assert ended(texting) == ("pending", None)
    assert texting.letters() == [("notify", "receiver_unreadable")]


def test_what_the_provider_says_of_the_buyer_is_a_reason(texting):
    texting.notifier.answers = [Unreachable("phone_blocked")]
    texting.run("notify")
    assert ended(texting) == ("unreachable", "phone_blocked")


def test_a_buyer_told_too_often_is_told_later(texting):
    texting.notifier.answers = [Later("buyer_told_too_often", after_s=30.0)]
    texting.run("notify")
    assert ended(texting) == ("pending", None)
    assert [spent for _, spent in texting.due("notify")] == [0]
    texting.fall_due()
    texting.run("notify")
    assert ended(texting) == ("told", None)


@pytest.mark.parametrize(
    ("error", "reason"),
    [(UnknownOutcome("timed_out"), "timed_out"), (Malformed("garbage"), "garbage"), (KeyError("a bug"), "KeyError")],
)
def test_an_unclear_end_is_recorded_and_never_repeated(texting, error, reason):
    """A defect of ours behind the sending is as unclear as a lost answer."""
    texting.notifier.errors_after = [error]
    texting.run("notify")
    assert ended(texting) == ("unknown", reason)
    again = "INSERT INTO work (step, subject_id, lane, account) SELECT 'notify', id, 'bulk', channel FROM notice"
    texting.rows(again)
    texting.run("notify")
    assert len(texting.notifier.told) == 1
    assert (texting.letters(), texting.due("notify")) == ([], [])


def test_control_believed_to_drop_repetitions_it_is_told_twice(texting):
    texting.notifier.is_idempotent = True
    texting.notifier.errors_after = [UnknownOutcome("timed_out")]
    texting.run("notify")
    texting.fall_due()
    texting.run("notify")
    assert len(texting.notifier.told) == 2


def test_the_number_is_not_asked_for_when_nothing_will_be_sent(texting):
    texting.notifier.errors_after = [Killed()]
    with pytest.raises(Killed):
        texting.run("notify")
    texting.platform.revealed_for.clear()
    die(texting)
    texting.run("notify")
    assert texting.platform.revealed_for == []
    assert ended(texting) == ("unknown", "notice_unclear")
    assert len(texting.notifier.told) == 1


@pytest.mark.parametrize("obstacle", ["not configured", "no time"])
def test_what_may_have_been_sent_stays_so_while_nobody_can_be_called(texting, make_merchant, obstacle):
    """Whatever happens between a crash and the look at it must not make the message look unsent."""
    texting.notifier.errors_after = [Killed()]
    with pytest.raises(Killed):
        texting.run("notify")
    die(texting)
    if obstacle == "no time":
        hasty = make_merchant(lease_s=1.0)
        hasty.notifier.is_idempotent = False
        hasty.run("notify")
    else:
        notifier = texting.tools.notifiers.pop("webhook/buyers")
        texting.run("notify")
        texting.tools.notifiers["webhook/buyers"] = notifier
    assert ended(texting) == ("sending", None)
    texting.fall_due()
    texting.run("notify")
    assert ended(texting) == ("unknown", "notice_unclear")
    assert len(texting.notifier.told) == 1


def test_credentials_that_are_refused_spend_no_attempt(texting):
    texting.notifier.errors = [Misconfigured("signature_invalid")]
    texting.run("notify")
    assert ended(texting) == ("pending", None)
    assert [spent for _, spent in texting.due("notify")] == [0]
