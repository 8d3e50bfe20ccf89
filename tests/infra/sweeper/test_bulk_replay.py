"""Bulk replays on real stores: three causes, one command, a rate, a canary, and a replayer that may die."""

import psycopg
import pytest

from domain.errors import Poison, Refused
from domain.holds import HoldCode
from domain.outcomes import Done, Hold
from infra.engine.author import Author
from infra.engine.results import Failed, Finished
from infra.queue.bells import BellKey
from infra.sweeper.bulk_replay import LetterDuties
from infra.tables.letters import LetterFilter, load_causes
from ops.faces.terminal.words import WORDS
from ops.verbs.bulk import cancel, pause, resume, start
from ops.verbs.letters import replay_letters
from ops.views.bulk import look
from ops.views.bulk import members as list_members
from ops.views.letters import preview

LI = Author("li", "courier is back")
BULK_LABELS = BellKey("label", "bulk", "sf/main")
LABELS = LetterFilter(step="label")
FAST = 500.0
ROUNDS_MAX = 100


class FakeCourier:
    """Books once for each package; still sick of some codes, and refuses some for a person to look at."""

    def __init__(self) -> None:
        self.booked: list[int] = []
        self.sick: dict[int, str] = {}
        self.refused: dict[int, HoldCode] = {}

    async def create(self, one):
        if one.ref.subject_id in self.sick:
            raise Poison(self.sick[one.ref.subject_id], "no")
        if one.ref.subject_id in self.refused:
            return Hold(self.refused[one.ref.subject_id])
        self.booked.append(one.ref.subject_id)
        return Done()


@pytest.fixture
def courier():
    return FakeCourier()


@pytest.fixture
def duties(harness):
    return LetterDuties(harness.db, harness.bells)


@pytest.fixture
def label(harness, toy_call, courier):
    """Run the label step until nothing of it is due."""

    def settle(one, answer):
        return Failed(one.ref, answer) if isinstance(answer, Exception) else Finished(one.ref, answer)

    def run():
        runner = harness.remote(toy_call(courier.create, settle), batch_max=500)
        while runner.run(BULK_LABELS):
            pass

    return run


@pytest.fixture
def turn(harness, duties, label):
    """One round of the sweeper and of the workers, a second after the last."""

    def go():
        harness.rows("UPDATE bulk SET next_at = next_at - interval '1 second'")
        duties.run()
        label()

    return go


@pytest.fixture
def finish(harness, turn):
    """Turn until a bulk is over; the number of rounds it took."""

    def until_over(bulk):
        for rounds in range(ROUNDS_MAX):
            if look(harness.db, bulk.id).is_over:
                return rounds
            turn()
        raise AssertionError(look(harness.db, bulk.id))

    return until_over


def paused(harness):
    """The audit rows of bulk replays that were paused."""
    return harness.rows("SELECT who, role, source, before, after FROM audit WHERE verb = 'bulk_paused' ORDER BY id")


def members(harness):
    return dict(harness.rows("SELECT state, count(*) FROM bulk_member GROUP BY state"))


def test_5000_letters_of_3_causes_come_home_by_one_command(harness, dead, courier, finish):
    causes = {"worn_out": 3000, "no_route": 1500, "strange": 500}
    packages = {package for code, count in causes.items() for package in dead(count, code)}
    with harness.db.connection() as connection:
        lines = load_causes(connection)
    assert [(line.code, line.letters, line.orders) for line in lines] == [(*pair, pair[1]) for pair in causes.items()]
    bulk = start(harness.db, LABELS, FAST, LI)
    assert bulk.members == {"waiting": 5000}
    assert finish(bulk) > 5000 / FAST, "faster than the rate"
    assert members(harness) == {"done": 5000}
    assert sorted(courier.booked) == sorted(packages)
    assert set(harness.states().values()) == {"allocated"}
    assert harness.one("SELECT count(*) FROM hold WHERE released_at IS NULL") == 0
    assert harness.one("SELECT count(*) FROM audit WHERE verb = 'letter_closed'") == 5000
    with harness.db.connection() as connection:
        assert load_causes(connection) == []


def test_the_canary_goes_alone_and_the_rest_only_after_it(harness, dead, duties, turn):
    dead(20)
    bulk = start(harness.db, LABELS, FAST, LI)
    duties.run()
    duties.run()
    assert (look(harness.db, bulk.id).state, members(harness)) == ("canary", {"replayed": 1, "waiting": 19})
    turn()
    turn()
    assert look(harness.db, bulk.id).state == "running"
    assert members(harness) == {"done": 1, "replayed": 19}


def test_a_canary_that_dies_of_the_same_cause_stops_the_rest(harness, dead, courier, turn, finish):
    letters = dead(20)
    courier.sick = dict.fromkeys(letters, "sick")
    bulk = start(harness.db, LABELS, FAST, LI)
    turn()
    turn()
    turn()
    stopped = look(harness.db, bulk.id)
    newer = harness.one("SELECT max(id) FROM dead_letter")
    assert (stopped.state, WORDS.stored(stopped.note)) == (
        "paused",
        f"the canary failed again: the same cause, sick, letter {newer}",
    )
    assert stopped.members == {"died": 1, "waiting": 19}
    assert paused(harness) == [("engine", "machine", "sweeper", {"state": "canary"}, {"state": "paused"})]
    courier.sick.clear()
    resume(harness.db, bulk.id, LI)
    finish(bulk)
    assert members(harness) == {"died": 1, "done": 19}


def test_a_canary_that_dies_of_another_cause_stops_the_rest_too(harness, dead, courier, turn):
    letters = dead(20)
    courier.sick = dict.fromkeys(letters, "other")
    bulk = start(harness.db, LABELS, FAST, LI)
    for _ in range(3):
        turn()
    stopped = look(harness.db, bulk.id)
    assert stopped.state == "paused"
    assert WORDS.stored(stopped.note).startswith("the canary failed again: other, letter ")
    assert stopped.members == {"died": 1, "waiting": 19}


def test_a_canary_that_ends_in_a_hold_stops_the_rest(harness, dead, courier, turn):
    letters = dead(20)
    courier.refused = dict.fromkeys(letters, HoldCode.WAYBILL_ERROR)
    bulk = start(harness.db, LABELS, FAST, LI)
    for _ in range(3):
        turn()
    stopped = look(harness.db, bulk.id)
    assert (stopped.state, WORDS.stored(stopped.note)) == ("paused", "the canary failed again: hold waybill_error")
    assert stopped.members == {"died": 1, "waiting": 19}


@pytest.mark.parametrize(
    "hold",
    [
        pytest.param(("refund_requested", "normalize", 0, None), id="of another step"),
        pytest.param(("dead_letter", "label", 0, None), id="a letter of another package"),
        pytest.param(("unwanted_waybill", "label", 0, None), id="a waybill found for a closed order"),
        pytest.param(("waybill_error", "label", 1, None), id="from before the replay"),
        pytest.param(("waybill_error", "label", 0, "li"), id="released"),
    ],
)
def test_a_hold_that_is_not_the_end_of_the_replay_kills_no_member(harness, dead, duties, label, hold):
    code, step, days_ago, released_by = hold
    [package] = dead(1)
    bulk = start(harness.db, LABELS, FAST, LI)
    duties.run()
    label()
    harness.rows(
        """INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at, opened_at, released_at, released_by)
           SELECT fulfillment_order_id, %s, %s, 'service', now(), now() - make_interval(days => %s),
                  CASE WHEN %s::text IS NOT NULL THEN now() END, %s
           FROM package WHERE id = %s""",
        *(code, step, days_ago, released_by, released_by, package),
    )
    duties.run()
    assert look(harness.db, bulk.id).members == {"done": 1}


@pytest.fixture
def canary_lives_rest_dies(dead, courier):
    """Forty letters; the courier takes the first and is sick for the rest."""
    letters = dead(40)
    _, *rest = letters
    courier.sick = dict.fromkeys(rest, "sick")
    return letters


@pytest.mark.usefixtures("canary_lives_rest_dies")
def test_members_that_die_one_after_the_other_stop_the_rest(harness, turn):
    bulk = start(harness.db, LABELS, 5.0, LI)
    for _ in range(8):
        turn()
    stopped = look(harness.db, bulk.id)
    assert stopped.state == "paused"
    assert WORDS.stored(stopped.note).startswith(
        "the last 5 members failed, the last one: the same cause, sick, letter "
    )
    assert stopped.members["waiting"] >= 20, "most were spared"


@pytest.mark.usefixtures("canary_lives_rest_dies")
def test_control_without_that_rule_all_die(harness, finish, monkeypatch):
    monkeypatch.setattr("infra.sweeper.bulk_replay.why_stop", lambda _: None)
    bulk = start(harness.db, LABELS, FAST, LI)
    finish(bulk)
    assert look(harness.db, bulk.id).members == {"done": 1, "died": 39}


def test_what_ended_before_a_person_resumed_does_not_stop_it_again(
    harness, courier, turn, finish, canary_lives_rest_dies
):
    bulk = start(harness.db, LABELS, 5.0, LI)
    for _ in range(8):
        turn()
    courier.sick.clear()
    resume(harness.db, bulk.id, LI)
    finish(bulk)
    assert look(harness.db, bulk.id).state == "done"
    assert len(courier.booked) == len(canary_lives_rest_dies) - members(harness)["died"]


def test_members_under_way_get_their_result_while_the_bulk_stands_still(harness, dead, duties, label):
    dead(3)
    bulk = start(harness.db, LABELS, FAST, LI)
    duties.run()
    pause(harness.db, bulk.id, LI)
    label()
    duties.run()
    assert (look(harness.db, bulk.id).state, members(harness)) == ("paused", {"done": 1, "waiting": 2})


def test_what_killed_its_worker_goes_only_by_its_number(harness, dead, courier, finish):
    letters = dead(3)
    killer = min(letters)
    harness.rows("UPDATE dead_letter SET code = 'worker_killed' WHERE subject_id = %s", killer)
    bulk = start(harness.db, LABELS, FAST, LI)
    assert bulk.members == {"waiting": 2, "refused": 1}
    finish(bulk)
    assert sorted(courier.booked) == sorted(set(letters) - {killer})
    [member] = list_members(harness.db, bulk.id, state="refused", after=0, limit=9)
    assert WORDS.stored(member.why) == "this letter killed its worker: replay it alone, by its number"
    with pytest.raises(Refused, match="none_may_go"):
        start(harness.db, LABELS, FAST, LI)
    assert [one.answer for one in replay_letters(harness.db, [letters[killer]], LI)] == ["replayed"]


@pytest.mark.parametrize(("again", "counts"), [(False, {"waiting": 1, "refused": 1}), (True, {"waiting": 2})])
def test_what_replays_did_not_help_goes_only_if_that_is_said(harness, dead, again, counts):
    tried, _ = dead(2)
    harness.rows("UPDATE dead_letter SET replays = 3 WHERE subject_id = %s", tried)
    assert start(harness.db, LABELS, FAST, LI, again=again).members == counts


def test_a_letter_counts_its_replays(harness, dead, courier, label):
    [(package, letter)] = dead(1).items()
    courier.sick = {package: "sick"}
    for _ in range(3):
        [answer] = replay_letters(harness.db, [letter], LI)
        assert answer.answer == "replayed"
        label()
        letter = harness.one("SELECT max(id) FROM dead_letter")
    [refused] = replay_letters(harness.db, [letter], LI)
    assert (refused.answer, refused.why.facts["replays"] == 3) == ("refused", True)
    assert [one.answer for one in preview(harness.db, [letter])] == ["refused"]
    assert [one.answer for one in replay_letters(harness.db, [letter], LI, again=True)] == ["replayed"]


def test_not_more_go_than_the_rate_gives(harness, dead, duties):
    dead(50)
    bulk = start(harness.db, LABELS, 10.0, LI)
    pause(harness.db, bulk.id, LI)
    resume(harness.db, bulk.id, LI)
    # An hour in which nothing could go is not made up for.
    harness.rows("UPDATE bulk SET next_at = now() - interval '1 hour'")
    duties.run()
    first = members(harness)["replayed"]
    assert 1 <= first <= 11
    duties.run()
    assert members(harness)["replayed"] <= first + 1


def test_each_member_has_its_own_result(harness, dead, courier, finish):
    letters = dead(4)
    done, dying, superseded, held = letters
    harness.rows(
        """INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at)
           SELECT fulfillment_order_id, 'refund_requested', 'label', 'service', now() FROM package WHERE id = %s""",
        held,
    )
    bulk = start(harness.db, LABELS, FAST, LI)
    harness.rows(
        """INSERT INTO shipment (package_id, generation, reference, courier, status, waybill, booked_at)
           VALUES (%s, 1, 'R', 'sf', 'booked', 'SF1', now())""",
        superseded,
    )
    courier.sick = {dying: "other"}
    finish(bulk)
    states = dict(harness.rows("SELECT letter_id, state FROM bulk_member"))
    # What the sweeper itself closes as superseded first, is refused with its end.
    assert states.pop(letters[superseded]) in {"superseded", "refused"}
    assert states == {letters[done]: "done", letters[dying]: "died", letters[held]: "refused"}
    assert courier.booked == [done]


def test_cancelled_members_stay_letters(harness, dead, turn):
    dead(30)
    bulk = start(harness.db, LABELS, FAST, LI)
    turn()
    cancel(harness.db, bulk.id, LI)
    turn()
    assert members(harness) == {"done": 1, "cancelled": 29}, "what went has its result all the same"
    assert harness.one("SELECT count(*) FROM dead_letter WHERE closed_at IS NULL") == 29


CUT = """CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$"""


def test_a_replayer_cut_off_in_its_round_leaves_nothing_half_done(harness, dead, courier, turn, finish):
    packages = dead(40)
    bulk = start(harness.db, LABELS, 10.0, LI)
    turn()
    turn()
    before = members(harness)
    assert before["waiting"] > 10
    # At the first word of its account, after the work was put back and the letters were closed.
    harness.rows(CUT)
    harness.rows(
        "CREATE TRIGGER cut AFTER UPDATE ON bulk_member FOR EACH ROW "
        "WHEN (NEW.state = 'replayed') EXECUTE FUNCTION cut()"
    )
    due = harness.one("SELECT count(*) FROM work")
    harness.rows("UPDATE bulk SET next_at = now() - interval '1 second'")
    with pytest.raises(psycopg.OperationalError):
        LetterDuties(harness.db, harness.bells).run()
    assert (members(harness), harness.one("SELECT count(*) FROM work")) == (before, due)
    harness.rows("DROP TRIGGER cut ON bulk_member")
    finish(bulk)
    assert members(harness) == {"done": 40}
    assert sorted(courier.booked) == sorted(packages)


def test_the_tally_is_folded_and_says_the_same(harness, dead, duties):
    for _ in range(3):
        dead(2)
    harness.rows("INSERT INTO letter_tally SELECT 'f', 'CNY', 1, 1, 5 FROM generate_series(1, 2000)")
    harness.rows("INSERT INTO letter_tally SELECT 'f', 'CNY', -1, -1, -5 FROM generate_series(1, 2000)")
    with harness.db.connection() as connection:
        before = load_causes(connection)
        duties.fold_tally()
        assert load_causes(connection) == before
    assert harness.one("SELECT count(*) FROM letter_tally") == 1


def test_a_defect_pauses_its_bulk_and_no_other(harness, dead, duties, finish, monkeypatch):
    dead(3)
    broken = start(harness.db, LABELS, FAST, LI)
    sound = start(harness.db, LABELS, FAST, LI)
    harness.rows("UPDATE bulk SET reason = 'break me' WHERE id = %s", broken.id)

    def stumble(tx, letter_ids, author, **given):
        if "break me" in author.reason:
            raise ValueError
        return plain(tx, letter_ids, author, **given)

    plain = duties.replay_bulks.__globals__["replay"]
    monkeypatch.setitem(duties.replay_bulks.__globals__, "replay", stumble)
    finish(sound)
    assert WORDS.stored(look(harness.db, broken.id).note) == "defect: ValueError"
    assert look(harness.db, broken.id).state == "paused"
    assert paused(harness) == [("engine", "machine", "sweeper", {"state": "canary"}, {"state": "paused"})]
    assert look(harness.db, sound.id).members == {"done": 3}


def test_a_defect_does_not_open_a_cancelled_bulk_again(harness, dead, duties, monkeypatch):
    dead(3)
    bulk = start(harness.db, LABELS, FAST, LI)
    duties.run()
    cancel(harness.db, bulk.id, LI)
    before = look(harness.db, bulk.id)

    def stumble(_tx, _bulk_id):
        raise ValueError

    with monkeypatch.context() as broken:
        broken.setattr("infra.sweeper.bulk_replay._go_on", stumble)
        duties.run()
    assert look(harness.db, bulk.id) == before
    assert paused(harness) == []
