"""What a courier answered stays in Postgres with the order, and nowhere else."""

import pytest

from domain.errors import Refused, Transient, keep_evidence
from infra.tables.answers import KEPT
from ops.views.order import raw_answers, view_order

QUOTE = "收件人 欧 阳 小 满 不可达"


def quoting(kind, code="refused"):
    error = kind(code, "the courier refused (code 9999)")
    keep_evidence(error, QUOTE.encode())
    return error


@pytest.fixture
def allocated(merchant, trade):
    """One order with its package, ready for the label."""
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(trade(tid="1001"))
    merchant.flow("route")
    return merchant


@pytest.fixture
def order_id(allocated):
    return allocated.one("SELECT id FROM orders")


def elsewhere(world):
    """All texts that listings show: holds, events, letters and work."""
    return "".join(
        world.one(f"SELECT coalesce(string_agg(t::text, ''), '') FROM {table} AS t")  # noqa: S608 - names of ours
        for table in ("hold", "event", "dead_letter", "work")
    )


def test_the_answer_behind_a_hold_is_kept_with_the_order_only(allocated, order_id, capsys):
    allocated.courier.errors = {"create": [quoting(Refused)]}
    allocated.run("label")
    (answer,) = raw_answers(allocated.db, order_id)
    assert (answer.step, answer.account, answer.code, answer.text) == ("label", "sf/main", "refused", QUOTE)
    assert allocated.one("SELECT code FROM hold WHERE released_at IS NULL") == "waybill_error"
    assert view_order(allocated.db, order_id).raw_answers == 1
    assert "欧 阳" not in elsewhere(allocated) + repr(view_order(allocated.db, order_id))
    assert "欧 阳" not in "".join(capsys.readouterr())


def test_the_newest_few_answers_of_a_subject_stay(allocated, order_id):
    for number in range(KEPT + 2):
        allocated.courier.errors = {"create": [quoting(Transient, f"n{number}")]}
        allocated.rows("UPDATE work SET due_at = now()")
        allocated.run("label")
    assert [one.code for one in raw_answers(allocated.db, order_id)] == [f"n{2 + each}" for each in range(KEPT)]


def test_an_error_without_an_answer_and_a_healthy_order_keep_none(allocated, order_id):
    allocated.courier.errors = {"create": [Transient("timed_out")]}
    allocated.run("label")
    allocated.rows("UPDATE work SET due_at = now()")
    allocated.run("label")
    assert allocated.one("SELECT waybill FROM shipment")
    assert raw_answers(allocated.db, order_id) == ()


def test_a_database_that_does_not_know_the_order_keeps_nothing_longer_than_it(allocated, order_id):
    allocated.courier.errors = {"create": [quoting(Refused)]}
    allocated.run("label")
    rule = allocated.one(
        "SELECT confdeltype::text FROM pg_constraint WHERE conrelid = 'foreign_answer'::regclass AND contype = 'f'"
    )
    assert rule == "c", "deleted with the order"
