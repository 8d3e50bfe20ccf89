import pytest

from domain.alarms import AlarmKind
from domain.errors import Misconfigured, Refused, Transient, UnknownOutcome
from infra.engine.author import Author
from infra.sweeper.bulk_replay import LetterDuties
from ops.verbs.letters import replay_letters


class Killed(BaseException):
    """The end of the process, between two instructions."""


@pytest.fixture
def handed_over(merchant, trade):
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(trade(tid="1001"))
    merchant.flow("label")
    merchant.scan("handed_over")
    return merchant


def status(merchant):
    return merchant.one("SELECT status FROM notice")


def test_the_buyer_is_told_once_and_without_personal_data(handed_over):
    handed_over.run("notify")
    [notice] = handed_over.notifier.told
    assert status(handed_over) == "told"
    assert handed_over.rows("SELECT kind FROM alarm") == []
    assert (notice.event, notice.event_id) == (
        "package.shipped",
        handed_over.one("SELECT event_id::text FROM notice"),
    )
    assert notice.content == {
        "channel": "webhook/buyers",
        "platform": "taobao",
        "shop": "s1",
        "platform_order_id": "1001",
        "courier": "sf",
        "waybill": "SF0001",
    }
    assert handed_over.states() == ["in_transit"]


@pytest.mark.parametrize("error", [UnknownOutcome("reset"), Killed()])
def test_an_unclear_notice_is_repeated_under_the_same_event_id(handed_over, error):
    handed_over.notifier.errors_after = [error]
    try:
        handed_over.run("notify")
    except Killed:
        handed_over.rows("UPDATE work SET lease_token = NULL, lease_until = NULL, is_suspect = true")
    assert status(handed_over) == "sending"
    handed_over.fall_due()
    handed_over.run("notify")
    assert status(handed_over) == "told"
    assert len({notice.event_id for notice in handed_over.notifier.told}) == 1
    assert len(handed_over.notifier.told) == 2, "the receiver drops the second by its id"


@pytest.mark.parametrize("error", [UnknownOutcome("reset"), Killed()])
def test_a_channel_without_event_ids_is_never_told_twice(handed_over, error):
    handed_over.notifier.is_idempotent = False
    handed_over.notifier.errors_after = [error]
    try:
        handed_over.run("notify")
    except Killed:
        handed_over.rows("UPDATE work SET lease_token = NULL, lease_until = NULL, is_suspect = true")
    handed_over.fall_due()
    handed_over.run("notify")
    assert status(handed_over) == "unknown"
    assert len(handed_over.notifier.told) == 1
    assert handed_over.due("notify") == []
    assert handed_over.rows("SELECT kind, key, count FROM alarm") == [
        (AlarmKind.NOTICE_UNKNOWN, handed_over.one("SELECT channel FROM notice"), 1)
    ]


@pytest.mark.parametrize(
    ("error", "left", "attempts"),
    [
        (Transient("down"), "pending", [1]),
        (Misconfigured("secret"), "pending", [0]),
        (Refused("gone"), "refused", []),
    ],
)
def test_the_error_tree_decides(handed_over, error, left, attempts):
    handed_over.notifier.errors = [error]
    handed_over.run("notify")
    assert status(handed_over) == left
    assert [spent for _, spent in handed_over.due("notify")] == attempts
    assert handed_over.states() == ["in_transit"]
    LetterDuties(handed_over.db, handed_over.bells).close_superseded()
    open_letters = handed_over.one("SELECT count(*) FROM dead_letter WHERE closed_at IS NULL")
    assert open_letters == (left == "refused"), "a refusal is not silent"


def test_a_refused_notice_is_told_by_a_replay_once_its_cause_is_mended(handed_over):
    handed_over.notifier.errors = [Refused("template_unknown")]
    handed_over.run("notify")
    letter = handed_over.one("SELECT id FROM dead_letter")
    [answer] = replay_letters(handed_over.db, [letter], Author("li", "the template is registered"))
    assert answer.answer == "replayed"
    handed_over.run("notify")
    assert (status(handed_over), len(handed_over.notifier.told)) == ("told", 1)


def test_a_letter_of_a_notice_that_was_told_after_all_is_over(handed_over):
    handed_over.notifier.errors = [Refused("gone")]
    handed_over.run("notify")
    handed_over.rows("UPDATE notice SET status = 'told', told_at = now()")
    LetterDuties(handed_over.db, handed_over.bells).close_superseded()
    assert handed_over.one("SELECT closed_as FROM dead_letter") == "superseded"


def test_a_channel_that_is_not_called_in_time_is_not_suspected_of_having_been(handed_over, make_merchant):
    """With too short a lease nothing was sent, so a channel without event ids may still be told."""
    hasty = make_merchant(lease_s=1.0)
    hasty.notifier.is_idempotent = False
    key = next(key for key in handed_over.bells.keys if key.step == "notify")
    hasty.runners["notify"].run(key)
    assert hasty.notifier.told == []
    assert status(handed_over) == "pending"
    handed_over.run("notify")
    assert status(handed_over) == "told"


def test_a_channel_that_is_no_longer_configured_waits_for_its_settings(handed_over):
    handed_over.tools.notifiers.clear()
    handed_over.run("notify")
    assert status(handed_over) == "pending"
    assert [spent for _, spent in handed_over.due("notify")] == [0]


def test_a_settled_notice_is_left_alone(handed_over):
    handed_over.run("notify")
    notice = handed_over.one("SELECT id FROM notice")
    again = "INSERT INTO work (step, subject_id, lane, account) VALUES ('notify', %s, 'bulk', 'webhook/buyers')"
    handed_over.rows(again, notice)
    handed_over.run("notify")
    assert len(handed_over.notifier.told) == 1


def test_a_notice_that_is_lost_and_made_again_keeps_its_event_id(handed_over):
    """As after a restored backup: the receiver knows it and drops it."""
    before = handed_over.one("SELECT event_id FROM notice")
    handed_over.rows("DELETE FROM work WHERE step = 'notify'")
    handed_over.rows("DELETE FROM notice")
    handed_over.scan("handed_over")
    assert handed_over.one("SELECT event_id FROM notice") == before
