"""One verb on many orders: drafted, confirmed by its token, worked off item by item, wherever the process dies."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from domain.errors import Conflict, Refused
from infra.config.retention import Retention
from infra.engine.author import ActSource, Author, Role
from infra.retention.purge import Purge
from ops.verbs import bulk_acts
from ops.verbs.bulk_acts import BulkActs, NamedItem, cancel, confirm, draft, pause, resume, work_off
from ops.verbs.hold_orders import hold
from ops.verbs.holds import release
from ops.verbs.many import VERBS
from ops.views.bulk_acts import look
from tests.actors.bulk_items import HOLD, LI, MANUAL, ids, items, make

WANG = Author("wang", "", Role.ADMIN, ActSource.CONSOLE)
RELEASE, EXPEDITE = VERBS["order.release"], VERBS["order.expedite"]


def test_a_draft_shows_what_would_be_done_and_does_nothing(five):
    first = ids(five)[0]
    hold(five.db, first, "manual", LI)
    bulk = make(five)
    assert (bulk.state, bulk.foreseen, bulk.items) == ("draft", {"held": 4, "hold_open": 1}, {"waiting": 5})
    assert five.one("SELECT count(*) FROM hold") == 1
    BulkActs(five.db).run()
    assert work_off(five.db, bulk.id) == 0
    assert look(five.db, bulk.id) == bulk


def test_confirmed_it_is_worked_off_with_a_result_for_each(five):
    first = ids(five)[0]
    hold(five.db, first, "manual", LI)
    bulk = make(five)
    assert confirm(five.db, bulk.id, bulk.token, WANG).state == "running"
    BulkActs(five.db).run()
    done = look(five.db, bulk.id)
    assert (done.state, done.items, done.results) == ("done", {"done": 4, "refused": 1}, {"held": 4, "hold_open": 1})
    assert [(one.subject_id, one.state, one.code) for one in items(five, bulk)][:2] == [
        (first, "refused", "hold_open"),
        (first + 1, "done", "held"),
    ]
    assert items(five, bulk)[1].facts == {"was": ["approved"], "left": []}
    five.flow()
    assert five.courier.waybills == []
    acts = five.rows(
        "SELECT who, role, source, request_id::text, reason FROM audit WHERE verb = 'order_held' AND object <> %s",
        f"order/{first}",
    )
    reason = f"bulk {bulk.id}: the warehouse is being counted"
    assert acts == [("wang", "admin", "console", WANG.request_id, reason)] * 4
    assert five.rows("SELECT who, verb FROM audit WHERE object = %s ORDER BY id", f"bulk/{bulk.id}") == [
        ("li", "bulk_drafted"),
        ("wang", "bulk_confirmed"),
    ]


def test_another_preview_than_the_one_that_was_seen_confirms_nothing(five):
    bulk = make(five)
    hold(five.db, ids(five)[2], "manual", LI)
    with pytest.raises(Conflict, match="preview_changed") as caught:
        confirm(five.db, bulk.id, bulk.token, LI)
    now = look(five.db, bulk.id)
    assert (now.state, now.foreseen) == ("draft", {"held": 4, "hold_open": 1})
    assert now.token == caught.value.facts["token"] != bulk.token
    assert confirm(five.db, bulk.id, now.token, LI).state == "running"


def test_a_wrong_token_confirms_nothing_and_leaves_the_preview(five):
    bulk = make(five)
    with pytest.raises(Conflict, match="preview_changed"):
        confirm(five.db, bulk.id, "00000000", LI)
    assert look(five.db, bulk.id) == bulk


def test_control_without_the_comparison_what_changed_is_done_unseen(five, monkeypatch):
    """Five were to be held; one is."""
    bulk = make(five)
    for id_ in ids(five)[:4]:
        hold(five.db, id_, "manual", LI)
    monkeypatch.setattr(bulk_acts, "token_of", lambda *_: bulk.token)
    assert confirm(five.db, bulk.id, bulk.token, LI).state == "running"
    work_off(five.db, bulk.id)
    assert look(five.db, bulk.id).results == {"held": 1, "hold_open": 4}


def test_who_comes_later_is_not_in_it(five, trade):
    bulk = make(five)
    five.deliver(trade())
    five.flow("review")
    confirm(five.db, bulk.id, bulk.token, LI)
    work_off(five.db, bulk.id)
    assert sorted(five.states()) == ["approved", *["on_hold"] * 5]


def test_a_bulk_of_which_nothing_would_be_done_is_not_confirmed(five):
    bulk = make(five, RELEASE, {"code": "address_vague"})
    with pytest.raises(Refused, match="none_may_go"):
        confirm(five.db, bulk.id, bulk.token, LI)


def test_names_that_mean_nothing_are_refused_and_the_others_done(five):
    chosen = [
        NamedItem(1, None, "order_unknown"),
        NamedItem(2, 1),
        NamedItem(3, 1),
        NamedItem(4, None, "order_ambiguous"),
    ]
    bulk = draft(five.db, HOLD, MANUAL, chosen, chosen={}, author=LI)
    assert bulk.foreseen == {"held": 1, "order_unknown": 1, "order_ambiguous": 1}
    confirm(five.db, bulk.id, bulk.token, LI)
    work_off(five.db, bulk.id)
    assert [(one.position, one.subject_id, one.code) for one in items(five, bulk)] == [
        (1, None, "order_unknown"),
        (2, 1, "held"),
        (4, None, "order_ambiguous"),
    ]


def test_no_item_and_too_many_are_no_bulk(five, monkeypatch):
    with pytest.raises(Refused, match="nothing_matches"):
        draft(five.db, HOLD, MANUAL, [], chosen={}, author=LI)
    monkeypatch.setattr(bulk_acts, "ITEMS_MAX", 4)
    with pytest.raises(Refused, match="too_many"):
        make(five)
    assert five.one("SELECT count(*) FROM bulk_act") == 0


def test_paused_resumed_and_cancelled_between_items(five):
    bulk = make(five)
    confirm(five.db, bulk.id, bulk.token, LI)
    assert work_off(five.db, bulk.id, 2) == 2
    pause(five.db, bulk.id, LI)
    assert work_off(five.db, bulk.id) == 0
    resume(five.db, bulk.id, LI)
    assert work_off(five.db, bulk.id, 1) == 1
    over = cancel(five.db, bulk.id, LI)
    assert (over.state, over.items) == ("cancelled", {"done": 3, "cancelled": 2})
    assert work_off(five.db, bulk.id) == 0
    assert five.states().count("on_hold") == 3
    for turn in (pause, resume, cancel):
        with pytest.raises(Conflict, match="bulk_state"):
            turn(five.db, bulk.id, LI)
    with pytest.raises(Refused, match="bulk_unknown"):
        pause(five.db, 99, LI)


class Turned:
    """A verb during whose preparation of the item `at` a person turns the bulk; `prepared` are the items so far."""

    def __init__(self, verb, at, turn):
        self.verb, self.at, self.turn, self.prepared = verb, at, turn, []
        self.name, self.subject, self.done = verb.name, verb.subject, verb.done
        self.foresee, self.act = verb.foresee, verb.act

    def prepare(self, db, id_, params, author):
        self.prepared.append(id_)
        found = self.verb.prepare(db, id_, params, author)
        if id_ == self.at:
            self.turn()
        return found


def turned_at_the_second(merchant, monkeypatch, verb, params, turn):
    """A bulk act that a person turns by `turn` while its second item is prepared, and the items that were prepared."""
    turned = Turned(verb, ids(merchant)[1], lambda: turn(merchant.db, bulk.id, LI))
    monkeypatch.setattr(bulk_acts, "VERBS", {verb.name: turned})
    bulk = make(merchant, turned, params)
    confirm(merchant.db, bulk.id, bulk.token, LI)
    work_off(merchant.db, bulk.id)
    return bulk, turned.prepared


@pytest.mark.parametrize("turn", [pause, cancel])
def test_no_further_item_is_prepared_once_a_person_has_stopped_the_bulk(five, monkeypatch, turn):
    bulk, prepared = turned_at_the_second(five, monkeypatch, HOLD, MANUAL, turn)
    assert prepared == [1, 2]
    left = "waiting" if turn is pause else "cancelled"
    assert look(five.db, bulk.id).items == {"done": 1, left: 4}
    assert five.states().count("on_hold") == 1


@pytest.mark.parametrize("turn", [pause, cancel])
def test_an_item_of_two_transactions_that_was_begun_is_finished(five, monkeypatch, turn):
    bulk, prepared = turned_at_the_second(five, monkeypatch, EXPEDITE, {"lane": "p0"}, turn)
    assert prepared == [1, 2]
    left = "waiting" if turn is pause else "cancelled"
    assert look(five.db, bulk.id).items == {"done": 2, left: 3}
    p0 = [(1,), (2,)]
    assert five.rows("SELECT order_id FROM fulfillment_order WHERE lane = 'p0' ORDER BY 1") == p0
    assert (
        five.rows(
            "SELECT order_id FROM work AS w JOIN fulfillment_order AS f ON f.id = subject_id"
            " WHERE step = 'route' AND w.lane = 'p0' ORDER BY 1"
        )
        == p0
    )


class Dies:
    """A verb whose process dies in its transaction, once; everything before the commit is gone."""

    def __init__(self, verb, at):
        self.verb, self.at, self.acted = verb, at, []
        self.name, self.subject, self.done = verb.name, verb.subject, verb.done
        self.foresee, self.prepare = verb.foresee, verb.prepare

    def act(self, tx, id_, params, author, prepared):
        facts = self.verb.act(tx, id_, params, author, prepared)
        self.acted.append(id_)
        if id_ == self.at:
            self.at = None
            raise KeyboardInterrupt
        return facts


@pytest.mark.parametrize("params", [MANUAL, {"lane": "p0"}], ids=["hold", "expedite"])
def test_a_process_that_dies_in_the_middle_doubles_nothing_and_leaves_nothing_out(five, monkeypatch, params):
    verb = HOLD if params is MANUAL else EXPEDITE
    dies = Dies(verb, ids(five)[2])
    monkeypatch.setattr(bulk_acts, "VERBS", {verb.name: dies})
    bulk = make(five, dies, params)
    confirm(five.db, bulk.id, bulk.token, LI)
    with pytest.raises(KeyboardInterrupt):
        work_off(five.db, bulk.id)
    assert look(five.db, bulk.id).items == {"done": 2, "waiting": 3}
    work_off(five.db, bulk.id)
    done = look(five.db, bulk.id)
    assert (done.state, done.results) == ("done", {verb.done: 5})
    assert dies.acted == [1, 2, 3, 3, 4, 5]
    if verb is HOLD:
        assert five.one("SELECT count(*) FROM audit WHERE verb = 'order_held'") == 5
        assert five.states() == ["on_hold"] * 5
    else:
        assert five.rows("SELECT DISTINCT lane FROM fulfillment_order") == [("p0",)]
        assert five.rows("SELECT DISTINCT lane FROM work WHERE step = 'route'") == [("p0",)]


def test_control_a_result_that_is_written_first_leaves_an_item_out(five, monkeypatch):
    """Why the act and its account are one transaction."""
    dies = Dies(HOLD, ids(five)[2])
    monkeypatch.setattr(bulk_acts, "VERBS", {HOLD.name: dies})
    bulk = make(five, dies)
    confirm(five.db, bulk.id, bulk.token, LI)
    mark = bulk_acts.mark_item

    def account_first(tx, bulk_id, position, *, is_begun):
        with five.db.transaction() as other:
            mark(other, bulk_id, position, state="done", code="held", facts={})
        return True

    monkeypatch.setattr(bulk_acts, "claim_item", account_first)
    with pytest.raises(KeyboardInterrupt):
        work_off(five.db, bulk.id)
    work_off(five.db, bulk.id)
    assert look(five.db, bulk.id).results == {"held": 5}
    assert five.states().count("on_hold") == 4, "one is told as held, and is not"


def test_two_processes_do_each_item_once(five):
    bulk = make(five)
    confirm(five.db, bulk.id, bulk.token, LI)
    with ThreadPoolExecutor(2) as threads:
        counts = list(threads.map(lambda _: work_off(five.db, bulk.id), range(2)))
    work_off(five.db, bulk.id)
    assert sum(counts) == 5
    assert look(five.db, bulk.id).results == {"held": 5}


def test_a_defect_fails_its_item_alone_and_five_stop_the_bulk(five, trade, monkeypatch):
    class Broken(Dies):
        def act(self, tx, id_, params, author, prepared):
            if id_ in self.at:
                raise ZeroDivisionError
            return self.verb.act(tx, id_, params, author, prepared)

    monkeypatch.setattr(bulk_acts, "VERBS", {HOLD.name: Broken(HOLD, {2})})
    bulk = make(five)
    confirm(five.db, bulk.id, bulk.token, LI)
    work_off(five.db, bulk.id)
    assert look(five.db, bulk.id).results == {"held": 4, "defect": 1}
    assert items(five, bulk)[1].facts == {"error": "ZeroDivisionError"}
    five.deliver(*(trade() for _ in range(7)))
    five.flow("review")
    monkeypatch.setattr(bulk_acts, "VERBS", {HOLD.name: Broken(HOLD, set(range(1, 100)))})
    other = make(five, items=ids(five)[5:])
    confirm(five.db, other.id, other.token, LI)
    work_off(five.db, other.id)
    stopped = look(five.db, other.id)
    assert (stopped.state, stopped.note, stopped.items) == ("paused", "failing", {"failed": 5, "waiting": 2})
    acts = "SELECT who, role, source, request_id::text, before, after, facts FROM audit WHERE verb = 'bulk_paused'"
    running, paused = {"state": "running"}, {"state": "paused"}
    assert five.rows(acts) == [("engine", "machine", "sweeper", LI.request_id, running, paused, {"failed": 5})]


@pytest.mark.parametrize("turn", [pause, cancel])
def test_a_bulk_that_a_person_stops_first_does_not_pause_itself(five, monkeypatch, turn):
    class Broken(Turned):
        def prepare(self, db, id_, params, author):
            super().prepare(db, id_, params, author)
            raise ZeroDivisionError

    broken = Broken(HOLD, ids(five)[4], lambda: turn(five.db, bulk.id, LI))
    monkeypatch.setattr(bulk_acts, "VERBS", {HOLD.name: broken})
    bulk = make(five, broken)
    confirm(five.db, bulk.id, bulk.token, LI)
    work_off(five.db, bulk.id)
    stopped = look(five.db, bulk.id)
    assert (stopped.state, stopped.note) == ("paused" if turn is pause else "cancelled", "")
    assert five.rows("SELECT who FROM audit WHERE verb = 'bulk_paused'") == ([("li",)] if turn is pause else [])


def test_what_somebody_else_holds_waits_for_the_next_round(five):
    bulk = make(five)
    confirm(five.db, bulk.id, bulk.token, LI)
    impatient = type(five.db)(five.db._conninfo, 2, lock_timeout_ms=50)
    with impatient as db:
        with five.db.transaction() as tx:
            tx.execute("SELECT 1 FROM fulfillment_order WHERE order_id = 2 FOR UPDATE")
            assert work_off(db, bulk.id) == 4
            assert look(five.db, bulk.id).state == "running"
        assert work_off(db, bulk.id) == 1
    assert look(five.db, bulk.id).state == "done"


def test_a_verb_of_a_newer_version_is_left_to_it(five, monkeypatch):
    bulk = make(five)
    confirm(five.db, bulk.id, bulk.token, LI)
    monkeypatch.setattr(bulk_acts, "VERBS", {})
    BulkActs(five.db).run()
    assert look(five.db, bulk.id).items == {"waiting": 5}


def test_one_order_that_somebody_released_meanwhile_is_told_so(five):
    for id_ in ids(five):
        hold(five.db, id_, "manual", LI)
    bulk = make(five, RELEASE)
    confirm(five.db, bulk.id, bulk.token, LI)
    release(five.db, ids(five)[0], "manual", replace(WANG, reason="faster"))
    work_off(five.db, bulk.id)
    assert look(five.db, bulk.id).results == {"released": 4, "hold_not_open": 1}
    five.flow("label")
    assert len(five.courier.waybills) == 5


def test_what_ended_long_ago_and_drafts_that_nobody_confirmed_are_purged(five):
    ended, old_draft, fresh = make(five), make(five), make(five)
    cancel(five.db, ended.id, LI)
    five.rows("UPDATE bulk_act SET ended_at = now() - interval '401 days' WHERE id = %s", ended.id)
    five.rows("UPDATE bulk_act SET created_at = now() - interval '401 days' WHERE id = %s", old_draft.id)
    Purge(five.db, Retention()).run()
    assert five.rows("SELECT id FROM bulk_act") == [(fresh.id,)]
    assert five.rows("SELECT DISTINCT bulk_id FROM bulk_item") == [(fresh.id,)]
