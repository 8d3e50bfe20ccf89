"""Our side of the ledgers after a small run, and after somebody meddled with the database."""

from collections import Counter

import pytest

from domain.ledger_check import Verdict, compare_ledgers
from infra.tables.pool import Database
from ops.views.ledgers import our_ledger
from workers.demo.run import their_ledger


@pytest.fixture
def run(small_house):
    """The house after its orders went the whole way; the ledgers can be compared at any time."""
    small_house.play()

    def ledgers():
        with Database(small_house.database_url, 1) as db:
            return our_ledger(db), their_ledger(small_house.stage)

    return small_house, ledgers


@pytest.fixture
def a_line(run):
    """A line that was told: key of its order, its id and its package."""
    house, _ = run
    [(shop, order, line_id, package_id)] = house.rows(
        "SELECT o.shop, o.platform_order_id, k.line_id, k.package_id FROM package_line AS k "
        "JOIN orders AS o ON o.id = k.order_id JOIN writeback AS w ON w.package_id = k.package_id "
        "WHERE w.status = 'confirmed' ORDER BY o.id, k.line_id LIMIT 1"
    )
    return (shop, order), line_id, package_id


def test_after_a_run_boxes_hold_what_the_platform_was_told(run):
    ours, theirs = run[1]()
    comparison = compare_ledgers(ours, theirs)
    assert comparison.agrees, comparison.contradictions
    assert comparison.verdicts[Verdict.DONE] >= 3
    told = Counter(
        {(order.key, line.line_id): line.quantity for order in theirs.ordered for line in order.lines if line.told}
    )
    packed = Counter()
    for booked_package in ours.booked.values():
        packed.update({(booked_package.key, line_id): count for line_id, count in booked_package.lines.items()})
    assert packed == told
    assert all(record.pieces for record in theirs.courier_records)
    assert all(shelf.left == shelf.shipped for shelf in theirs.stocked.values())


def test_every_fulfillment_order_of_an_order_is_read(run, a_line):
    house, ledgers = run
    key, _, _ = a_line
    house.rows(
        "INSERT INTO fulfillment_order (order_id, number, state, lane) "
        "SELECT id, 2, 'paid', 'p1' FROM orders WHERE platform_order_id = %s",
        key[1],
    )
    ours, theirs = ledgers()
    assert sorted(part.state for part in ours.parts[key]) == ["packed", "paid"]
    assert compare_ledgers(ours, theirs).verdicts[Verdict.OPEN] == 1


def test_a_cancelled_package_is_no_package(run, a_line):
    house, ledgers = run
    key, _, package_id = a_line
    house.rows("UPDATE package SET cancelled_at = now() WHERE id = %s", package_id)
    [part] = ledgers()[0].parts[key]
    assert (part.packages, part.written_back) == (0, 0)


def test_orders_of_others_are_known_by_who_fulfils_them(run, a_line):
    house, ledgers = run
    key, _, _ = a_line
    assert ledgers()[0].not_ours == frozenset()
    for who in ("platform", "pickup", "nobody", "courier"):
        house.rows("UPDATE orders SET fulfilled_by = %s WHERE platform_order_id = %s", who, key[1])
        assert ledgers()[0].not_ours == {key}
    house.rows("UPDATE orders SET fulfilled_by = 'unknown'")
    assert ledgers()[0].not_ours == frozenset()


def test_an_order_without_a_fulfillment_order_is_no_lost_one(run, a_line):
    house, ledgers = run
    key, _, _ = a_line
    house.rows(
        "INSERT INTO orders OVERRIDING SYSTEM VALUE "
        'SELECT (jsonb_populate_record(o, \'{"id": 900000, "platform_order_id": "alone"}\')).* '
        "FROM orders AS o WHERE platform_order_id = %s",
        key[1],
    )
    assert ledgers()[0].parts[key[0], "alone"] == []


@pytest.mark.parametrize(
    ("meddle", "wrong"),
    [
        (
            "UPDATE package_line SET quantity = 0 WHERE package_id = {package} AND line_id = '{line}'",
            "we have no confirmed write-back",
        ),
        (
            "UPDATE package_line SET quantity = quantity + 1 WHERE package_id = {package} AND line_id = '{line}'",
            "on the label",
        ),
        (
            "UPDATE writeback SET status = 'pending', confirmed_at = NULL WHERE package_id = {package}",
            "we have no confirmed write-back",
        ),
        (
            "UPDATE order_line SET quantity = quantity + 1 WHERE line_id = '{line}'",
            "known here",
        ),
    ],
)
def test_what_was_meddled_with_is_found(run, a_line, meddle, wrong):
    house, ledgers = run
    _, line_id, package_id = a_line
    house.rows(meddle.format(package=package_id, line=line_id))
    comparison = compare_ledgers(*ledgers())
    assert any(wrong in found for found in comparison.contradictions), comparison.contradictions
    assert not comparison.agrees
