"""Dead letters of real steps, replayed: nothing is booked or told twice."""

import pytest

from domain.errors import Conflict, Poison, UnknownOutcome
from domain.holds import HoldCode
from infra.engine.author import Author
from infra.engine.replay import ReplayAnswer
from ops.faces.terminal.letters import preview_in_words
from ops.faces.terminal.words import WORDS
from ops.verbs.holds import release
from ops.verbs.letters import discard, reopen, replay_letters
from ops.views.letters import causes, letter, preview

LI = Author("li", "courier is back")


@pytest.fixture
def dead_label(merchant, trade):
    """One order whose label died after the courier had booked it; the letter's id."""
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(trade())
    merchant.flow("route")
    merchant.courier.errors = {
        "after_create": [UnknownOutcome("timeout", "no answer in 10 s")],
        "find": [Poison("garbled", "cannot be read")],
    }
    merchant.run("label")
    merchant.fall_due()
    merchant.run("label")
    assert (merchant.states(), merchant.letters()) == (["on_hold"], [("label", "garbled")])
    return merchant.one("SELECT id FROM dead_letter")


def test_a_preview_says_that_the_waybill_will_be_adopted_and_it_is(merchant, dead_label):
    def ask(account, reference):
        assert account == "sf/main"
        return next(one.number for one in merchant.courier.waybills if one.reference == reference)

    (seen,) = preview(merchant.db, [dead_label], ask)
    assert (seen.state, preview_in_words(seen)) == (
        "on_hold",
        "resumes as allocated, will adopt waybill SF0001, books nothing",
    )
    assert merchant.states() == ["on_hold"], "a preview changes nothing"
    assert [one.answer for one in replay_letters(merchant.db, [dead_label], LI)] == [ReplayAnswer.REPLAYED]
    merchant.fall_due()
    merchant.run("label")
    assert merchant.courier.asked["create"] == 1
    assert merchant.rows("SELECT status, waybill FROM shipment") == [("booked", "SF0001")]
    assert merchant.states() == ["allocated"]


def test_the_first_real_error_stays_visible(merchant, dead_label):
    shown = letter(merchant.db, dead_label)
    assert [cause["code"] for cause in shown.causes] == ["timeout", "garbled"]
    assert shown.rules_version == merchant.tools.rules.version
    assert shown.worker == 1_000_000
    assert shown.at_risk.minor > 0
    (line,) = causes(merchant.db)
    assert (line.code, line.letters, line.orders, line.at_risk) == ("garbled", 1, 1, (shown.at_risk,))


def test_a_courier_that_cannot_be_asked_is_said_so(merchant, dead_label):
    def ask(_account, _reference):
        raise UnknownOutcome("timeout")

    (seen,) = preview(merchant.db, [dead_label], ask)
    assert preview_in_words(seen).endswith("label runs again; the courier could not be asked now: timeout")


def test_a_discarded_letter_leaves_its_order_held_until_somebody_releases_it(merchant, dead_label):
    order_id = merchant.one("SELECT order_id FROM fulfillment_order")
    with pytest.raises(Conflict, match="letter_open"):
        release(merchant.db, order_id, HoldCode.DEAD_LETTER, LI)
    assert discard(merchant.db, dead_label, LI)
    assert (merchant.states(), merchant.holds()) == (["on_hold"], ["dead_letter"])
    with pytest.raises(Conflict) as late:
        discard(merchant.db, dead_label, LI)
    assert "discarded by li" in WORDS.refusal(late.value)
    assert release(merchant.db, order_id, HoldCode.DEAD_LETTER, LI).due == ("label",)
    merchant.fall_due()
    merchant.run("label")
    assert merchant.courier.asked["create"] == 1


def test_a_discarded_letter_can_be_opened_again(merchant, dead_label):
    discard(merchant.db, dead_label, LI)
    assert causes(merchant.db) == []
    reopen(merchant.db, dead_label, LI)
    (line,) = causes(merchant.db)
    assert line.letters == 1
    assert merchant.holds() == ["dead_letter"]
    with pytest.raises(Conflict, match="letter_not_discarded"):
        reopen(merchant.db, dead_label, LI)
    replay_letters(merchant.db, [dead_label], LI)
    assert merchant.states() == ["allocated"]
    told = merchant.rows("SELECT kind, facts ->> 'by' FROM event WHERE starts_with(kind, 'letter') ORDER BY id")
    assert told == [("letter_discarded", "li"), ("letter_reopened", "li"), ("letter_replayed", "li")]


def test_a_payload_read_meanwhile_in_a_newer_version_supersedes_its_letter(merchant, trade):
    merchant.deliver(trade(tid="1001", payment=None))
    merchant.run("normalize")
    letter_id = merchant.one("SELECT id FROM dead_letter")
    merchant.deliver(trade(tid="1001", modified="2026-11-22 09:30:00"))
    merchant.run("normalize")
    (answer,) = replay_letters(merchant.db, [letter_id], LI)
    assert (answer.answer, WORDS.reason(answer.why)) == (ReplayAnswer.SUPERSEDED, "normalize is done already")
