"""A line whose pieces left in two packages: the second package is told once it is known what was heard of the first."""

import pytest

from actors import writeback
from adapters.documents import EventPackage
from domain.errors import Transient, UnknownOutcome
from infra.engine.author import Author
from ops.verbs.letters import discard

LI = Author("li", "the buyer has called")
ONE = (("1001", 1),)
DONE = [("YT1", "confirmed"), ("YT2", "confirmed")]


@pytest.fixture
def handovers(booking):
    """What the platform is told of each package: waybill, and the lines of which it then has all pieces."""
    told = []
    write_back = booking.platform.write_back

    async def tell(handover):
        told.append((handover.waybill, set(handover.completes)))
        await write_back(handover)

    booking.platform.write_back = tell
    return told


@pytest.fixture
def leave(booking, tell, handovers):
    """Both packages leave. The call about the first one ends with this error, after it had its effect or before."""

    def leaves(where, error):
        packages = (EventPackage("YT1", "yto", 300, (("1001", 1), ("1002", 1))), EventPackage("YT2", "yto", 100, ONE))
        tell(("handed_over", {"packages": packages, "is_final": True}))
        booking.platform.errors = {where: [error]}
        booking.run("writeback")
        assert [waybill for waybill, _ in handovers] == ["YT1"]

    return leaves


def run_alone(merchant, waybill):
    """The write-back of one package, while those of the others are not due."""
    merchant.rows("UPDATE work SET due_at = now() + interval '1 hour' WHERE step = 'writeback'")
    merchant.rows(
        "UPDATE work SET due_at = now() - interval '1 second' FROM shipment AS s "
        "WHERE step = 'writeback' AND subject_id = s.package_id AND s.waybill = %s",
        waybill,
    )
    merchant.run("writeback")


def statuses(merchant):
    return merchant.rows(
        "SELECT s.waybill, w.status FROM writeback AS w JOIN shipment AS s USING (package_id) ORDER BY s.waybill"
    )


def test_the_other_package_waits_until_the_platform_was_asked(booking, leave, handovers):
    leave("after_tell", UnknownOutcome("timed_out"))
    run_alone(booking, "YT2")
    assert [waybill for waybill, _ in handovers] == ["YT1"]
    run_alone(booking, "YT1")
    run_alone(booking, "YT2")
    assert handovers == [("YT1", set()), ("YT2", {"1001"})]
    assert statuses(booking) == DONE


def test_control_without_the_wait_the_last_pieces_are_told_as_if_more_were_to_come(
    booking, leave, handovers, monkeypatch
):
    known = writeback.divided_lines
    monkeypatch.setattr(
        writeback,
        "divided_lines",
        lambda tx, ids: {id_: one._replace(is_other_unclear=False) for id_, one in known(tx, ids).items()},
    )
    leave("after_tell", UnknownOutcome("timed_out"))
    run_alone(booking, "YT2")
    assert handovers == [("YT1", set()), ("YT2", set())]
    assert booking.platform.told == ["YT1", "YT2"]


def test_a_package_that_may_have_been_told_goes_first_in_a_batch(booking, leave, handovers):
    leave("tell", Transient("reset"))
    booking.platform.errors = {"after_tell": [UnknownOutcome("timed_out")]}
    run_alone(booking, "YT2")
    for _ in range(2):
        booking.rows("UPDATE work SET due_at = now() - interval '1 second' WHERE step = 'writeback'")
        booking.run("writeback")
    assert handovers == [("YT1", set()), ("YT2", set()), ("YT1", {"1001"})]
    assert statuses(booking) == DONE


def test_a_call_that_surely_had_no_effect_lets_the_other_package_go(booking, leave, handovers):
    leave("tell", Transient("reset"))
    run_alone(booking, "YT2")
    run_alone(booking, "YT1")
    assert handovers == [("YT1", set()), ("YT2", set()), ("YT1", {"1001"})]
    assert statuses(booking) == DONE


def test_the_other_package_waits_for_a_letter_and_not_for_a_discarded_one(booking, leave, handovers):
    leave("after_tell", UnknownOutcome("timed_out"))
    booking.platform.errors = {"status": [UnknownOutcome("timed_out")] * 100}
    while not (letters := booking.rows("SELECT id FROM dead_letter WHERE closed_at IS NULL")):
        run_alone(booking, "YT1")
    booking.platform.errors = {}
    run_alone(booking, "YT2")
    assert [waybill for waybill, _ in handovers] == ["YT1"]
    discard(booking.db, letters[0][0], LI)
    run_alone(booking, "YT2")
    assert [waybill for waybill, _ in handovers] == ["YT1", "YT2"]
    assert statuses(booking) == [("YT1", "pending"), ("YT2", "confirmed")]
