"""Each change of a person commits with its audit row, or not at all."""

import uuid

import pytest

from domain.errors import Conflict
from domain.gates import GateKind
from domain.listings import Listing
from infra.config.retention import Retention
from infra.engine.author import ActSource, Author, Role
from infra.tables.audit import Verb
from ops.verbs.change import UnrecordedError, change
from ops.verbs.gates import pause
from ops.verbs.listings import drop, put
from ops.verbs.retention import purge
from ops.verbs.unreadable import close

CUP = Listing("taobao", "s1", "cup")
PLANT = "INSERT INTO location (name) VALUES ('north')"


@pytest.fixture
def li():
    return Author("li", "asked by mail", Role.ADMIN, ActSource.CONSOLE, str(uuid.uuid4()))


@pytest.fixture
def audit(database):
    def read():
        with database.connection() as connection:
            return connection.execute("SELECT verb, object, before, after FROM audit ORDER BY id").fetchall()

    return read


def test_an_audit_row_names_its_author_in_full(database, li):
    with change(database, li) as made:
        made.note(Verb.GATE_PAUSED, "lane/bulk", None, {"until": None}, extra=1)
    with database.connection() as connection:
        row = connection.execute(
            "SELECT who, role, source, request_id::text, reason, before, after, facts FROM audit"
        ).fetchone()
    assert row == ("li", "admin", "console", li.request_id, "asked by mail", None, {"until": None}, {"extra": 1})


def test_a_change_that_says_nothing_is_not_kept(database, li, audit):
    with pytest.raises(UnrecordedError), change(database, li) as made:
        made.tx.execute(PLANT)
    with database.connection() as connection:
        assert connection.execute("SELECT count(*) FROM location WHERE name = 'north'").fetchone() == (0,)
    assert audit() == []


def test_the_control_without_the_one_way_a_change_is_kept_that_nobody_signed(database, audit):
    with database.transaction() as tx:
        tx.execute(PLANT)
    with database.connection() as connection:
        assert connection.execute("SELECT count(*) FROM location WHERE name = 'north'").fetchone() == (1,)
    assert audit() == []


def test_a_change_that_fails_leaves_no_audit_row(database, li, audit):
    def fail():
        with change(database, li) as made:
            made.note(Verb.GATE_PAUSED, "lane/bulk", None, {})
            raise Conflict("order_ended")

    with pytest.raises(Conflict):
        fail()
    assert audit() == []


@pytest.mark.parametrize("why", ["unchanged", "goes_on", "noted_below"])
def test_a_change_may_say_why_it_notes_nothing(database, li, audit, why):
    with change(database, li) as made:
        getattr(made, why)()
    assert audit() == []


def test_a_gate_is_shut_again_from_what_it_was(database, li, audit):
    pause(database, GateKind.LANE, "bulk", Author("wang", "peak"), None)
    pause(database, GateKind.LANE, "bulk", li, None)
    first, second = audit()
    assert first == ("gate_paused", "lane/bulk", None, {"shut_by": "wang", "until": None})
    assert second == ("gate_paused", "lane/bulk", {"shut_by": "wang", "until": None}, {"shut_by": "li", "until": None})


def test_a_listing_is_mapped_anew_and_dropped(database, li, audit):
    put(database, {CUP: "CUP-1"}, li)
    put(database, {CUP: "CUP-2"}, li)
    put(database, {CUP: "CUP-2"}, li)
    put(database, {CUP: "CUP-3"}, li, dry_run=True)
    drop(database, CUP, li)
    assert audit() == [
        ("listing_mapped", "listing/taobao/s1/cup", None, {"sku": "CUP-1"}),
        ("listing_mapped", "listing/taobao/s1/cup", {"sku": "CUP-1"}, {"sku": "CUP-2"}),
        ("listing_unmapped", "listing/taobao/s1/cup", {"sku": "CUP-2"}, None),
    ]


def test_a_purge_is_asked_for_by_somebody(database, li, audit):
    purge(database, Retention(), li)
    assert [row[:2] for row in audit()] == [("purge_asked", "retention")]


def test_an_entry_is_open_before_and_closed_after(database, li, audit):
    with database.connection() as connection:
        (number,) = connection.execute(
            "INSERT INTO unreadable_entry (source, account, position, code, field, owner, due_at)"
            " VALUES ('stock', 'warehouse/east', 1, 'field_invalid', 'f', 'warehouse', now()) RETURNING id"
        ).fetchone()
    close(database, number, li)
    assert audit() == [("entry_closed", f"entry/{number}", {"state": "open"}, {"state": "closed"})]
    with pytest.raises(Conflict):
        close(database, number, li)
    assert len(audit()) == 1
