"""A backup is restored while couriers and platforms kept what we had done since."""

import json
import os
import signal
from datetime import timedelta

import pytest
from click.testing import CliRunner

from adapters.ports import Booking
from domain.order import Address, OrderKey
from domain.references import reference
from infra.engine.author import Author
from infra.monitoring.invariants import find_breaches
from infra.process.clock import SystemClock
from ops.faces.terminal.answers import outcome_in_words
from ops.verbs.reconcile import ReconcileOutcome, Reconciler
from ops.verbs.writeback_retry import RetryRate
from workers.cli.reconcile import exit_of_outcomes
from workers.main import main

FEW = 5
ADDRESS = Address("甲", "13800000001", "上海市", "上海市", "青浦区", "", "1号")
LATE_STEPS = ("label", "warehouse", "writeback", "notify")


@pytest.fixture
def orderlane():
    """Run `orderlane reconcile`; its exit code and its JSON."""

    def run(*arguments):
        result = CliRunner().invoke(main, ["reconcile", "--json", *arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return result.exit_code, json.loads(result.stdout.splitlines()[-1])

    return run


@pytest.fixture
def restore(small_house, monkeypatch):
    """From now on the house works on a backup."""

    def on(backup: str) -> None:
        small_house.database_url = backup
        monkeypatch.setenv("ORDERLANE_DATABASE_URL", backup)

    return on


def intend(house, rows) -> None:
    """Leave the intents of `rows` as a worker does that dies in its call."""
    for package_id, platform, shop, platform_order_id in rows:
        house.rows(
            """INSERT INTO shipment (package_id, generation, reference, courier, status, call_deadline)
               VALUES (%s, 1, %s, 'sf', 'intended', now())""",
            *(package_id, reference(OrderKey(platform, shop, platform_order_id), 1, 1)),
        )


PACKAGES = """SELECT p.id, o.platform, o.shop, o.platform_order_id FROM package AS p
              JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id JOIN orders AS o ON o.id = f.order_id
              ORDER BY p.id"""


@pytest.mark.slow
def test_waybills_booked_since_the_backup_are_adopted_and_nothing_happens_twice(small_house, restore, orderlane):
    small_house.play(without=LATE_STEPS, until="package")
    backup = small_house.backup()
    small_house.play()
    living, told = small_house.living(), small_house.told()
    assert len(living) == len(told) == FEW
    restore(backup)
    # Two had their intent in the backup, the others not even that.
    intend(small_house, small_house.rows(PACKAGES)[:2])

    code, dry = orderlane("--dry-run")
    assert (code, dry["counts"]) == (0, {"would be adopted": FEW})
    assert small_house.rows("SELECT count(*) FROM shipment WHERE status = 'booked'") == [(0,)]

    code, done = orderlane()
    assert (code, done["counts"]) == (0, {"adopted": FEW})
    assert sorted(one["waybill"] for one in done["results"]) == sorted(number for [number] in living.values())
    code, again = orderlane()
    assert (code, again["counts"]) == (0, {"agrees": FEW})

    small_house.play()
    assert small_house.living() == living
    assert small_house.told() == told
    assert set(told.values()) == {1}
    assert small_house.rows("SELECT status, count(*) FROM writeback GROUP BY status") == [("confirmed", FEW)]
    with small_house.worker() as runtime, runtime.db.connection() as session:
        assert find_breaches(session) == []


@pytest.mark.slow
def test_write_backs_told_since_the_backup_are_adopted(small_house, restore, orderlane):
    small_house.play(without=("writeback",), until="writeback")
    backup = small_house.backup()
    small_house.play()
    told = small_house.told()
    restore(backup)
    assert orderlane("--dry-run")[1]["counts"] == {"agrees": FEW, "write-back would be adopted": FEW}
    code, done = orderlane()
    assert (code, done["counts"]) == (0, {"agrees": FEW, "write-back adopted": FEW})
    assert small_house.rows("SELECT status, count(*) FROM writeback GROUP BY status") == [("confirmed", FEW)]
    assert small_house.told() == told


SHIPPED_HOLDS = "SELECT count(*) FROM hold WHERE code = 'shipped_elsewhere' AND released_at IS NULL"


@pytest.mark.slow
@pytest.mark.parametrize("is_somebody_elses", [False, True])
def test_an_order_that_came_and_left_after_the_backup_is_known_as_ours(
    small_house, restore, orderlane, is_somebody_elses
):
    backup = small_house.backup()
    small_house.play()
    living, told = small_house.living(), small_house.told()
    restore(backup)
    small_house.play(until="hold WHERE code = 'shipped_elsewhere'")
    if is_somebody_elses:
        small_house.rows("UPDATE order_line SET waybill = 'YT0000000000001'")
    found = 0 if is_somebody_elses else FEW
    assert orderlane("--dry-run")[1]["counts"] == (
        {outcome_in_words(ReconcileOutcome.WOULD_RELEASE): found} if found else {}
    )
    assert small_house.rows(SHIPPED_HOLDS) == [(FEW,)]
    code, done = orderlane()
    assert (code, done["counts"]) == (0, {outcome_in_words(ReconcileOutcome.SHIPPED_BEFORE): found} if found else {})
    assert small_house.rows(SHIPPED_HOLDS) == [(FEW - found,)]
    assert orderlane()[1]["counts"] == {}
    if found:
        small_house.play(until="fulfillment_order WHERE state = 'closed'")
    assert (small_house.living(), small_house.told()) == (living, told)


@pytest.fixture
def booked(small_house):
    """A house whose packages are booked, and wait for the warehouse."""
    small_house.play(without=LATE_STEPS[1:], until="shipment WHERE status = 'booked'")
    return small_house


@pytest.fixture
def book(booked):
    """Book a package once more at the courier, as another generation; the number."""

    def again(package, generation: int) -> str:
        wanted = reference(OrderKey(*package[1:]), 1, generation)
        booking = Booking(wanted, ADDRESS, ADDRESS, (("T恤", 1),), 500)
        with booked.worker() as runtime:
            label = runtime.runners["label"]
            return label.event_loop.run(label.step.tools.courier("sf/main").create(booking)).number

    return again


def shipments(house, package_id):
    query = "SELECT generation, status, waybill FROM shipment WHERE package_id = %s ORDER BY generation"
    return house.rows(query, package_id)


def waybill_of(house, package_id):
    return shipments(house, package_id)[-1][2]


@pytest.mark.slow
def test_a_second_living_waybill_is_voided(booked, book, orderlane):
    first, *_ = booked.rows(PACKAGES)
    ours = waybill_of(booked, first[0])
    second = book(first, 2)
    assert orderlane("--dry-run")[1]["counts"] == {"agrees": FEW, "second waybill would be voided": 1}
    code, done = orderlane()
    assert code == 0
    assert [(one["outcome"], one["waybill"]) for one in done["results"]] == [("second waybill voided", second)]
    assert shipments(booked, first[0]) == [(1, "booked", ours), (2, "voided", second)]
    assert all(len(numbers) == 1 for numbers in booked.living().values())
    assert orderlane()[1]["counts"] == {"agrees": FEW}


@pytest.mark.slow
def test_a_waybill_that_took_the_place_of_a_void_one_is_adopted(booked, book, orderlane):
    first, *_ = booked.rows(PACKAGES)
    ours = waybill_of(booked, first[0])
    booked.stage.pull("cancel_waybill", number=ours)
    second = book(first, 2)
    code, done = orderlane()
    assert (code, done["counts"]) == (0, {"agrees": FEW - 1, "adopted": 1})
    assert shipments(booked, first[0]) == [(1, "voided", ours), (2, "booked", second)]


@pytest.mark.slow
def test_so_it_is_when_the_package_has_left_the_house(booked, book, orderlane):
    first, *_ = booked.rows(PACKAGES)
    booked.rows("UPDATE fulfillment_order SET state = 'in_transit'")
    booked.stage.pull("cancel_waybill", number=waybill_of(booked, first[0]))
    second = book(first, 2)
    assert orderlane()[1]["counts"] == {"agrees": FEW - 1, "adopted": 1}
    assert shipments(booked, first[0])[-1] == (2, "booked", second)


@pytest.mark.slow
def test_what_the_courier_has_no_more_or_knows_otherwise_is_for_a_person(booked, orderlane):
    first, second, *_ = [row[0] for row in booked.rows(PACKAGES)]
    booked.stage.pull("cancel_waybill", number=waybill_of(booked, first))
    booked.rows("UPDATE shipment SET waybill = 'SF-OTHER' WHERE package_id = %s", second)
    before = booked.rows("SELECT * FROM shipment ORDER BY id")
    code, done = orderlane()
    assert code == 6
    assert [(one["package_id"], one["outcome_code"]) for one in done["results"]] == [
        (first, ReconcileOutcome.GONE),
        (second, ReconcileOutcome.CONTRADICTS),
    ]
    assert booked.rows("SELECT * FROM shipment ORDER BY id") == before


@pytest.mark.slow
def test_a_found_waybill_lifts_the_hold_that_label_opened_and_no_other(booked, orderlane):
    first, second, *_ = booked.rows(PACKAGES)
    for package, code, step in ((first, "waybill_error", "label"), (second, "refund_requested", "label")):
        booked.rows(
            """WITH f AS (UPDATE fulfillment_order SET state = 'on_hold', resume_state = 'allocated'
                          WHERE id = (SELECT fulfillment_order_id FROM package WHERE id = %s) RETURNING id)
               INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at)
               SELECT id, %s, %s, 'logistics', now() FROM f""",
            *(package[0], code, step),
        )
        booked.rows("DELETE FROM shipment WHERE package_id = %s", package[0])
    code, done = orderlane()
    assert (code, done["counts"]) == (0, {"agrees": FEW - 2, "adopted": 2})
    assert [shipments(booked, one[0])[-1][1] for one in (first, second)] == ["booked", "booked"]
    assert booked.rows("SELECT code FROM hold WHERE released_at IS NULL") == [("refund_requested",)]


@pytest.mark.slow
def test_a_package_that_is_being_labelled_is_left_alone(booked, orderlane):
    first, *_ = [row[0] for row in booked.rows(PACKAGES)]
    booked.rows(
        """INSERT INTO work (step, subject_id, lane, account, lease_token, lease_until)
           VALUES ('label', %s, 'bulk', 'sf/main', gen_random_uuid(), now() + interval '1 minute')""",
        first,
    )
    assert orderlane()[1]["counts"] == {"agrees": FEW - 1}


@pytest.mark.slow
def test_a_courier_that_is_away_changes_nothing(booked):
    before = booked.rows("SELECT * FROM shipment ORDER BY id")
    with booked.worker() as runtime:
        os.kill(booked.stage.sandbox_pid, signal.SIGKILL)
        label, writeback = runtime.runners["label"], runtime.runners["writeback"]
        clock = SystemClock()
        shown = []
        reconciler = Reconciler(label, writeback, Author("me", "test"), RetryRate(100.0, clock), shown.append)
        done = reconciler.run(clock.utcnow() - timedelta(days=1))
    assert shown == done
    assert [one.outcome for one in done] == [ReconcileOutcome.NOT_REACHED] * FEW
    assert all(one.why for one in done)
    assert booked.rows("SELECT * FROM shipment ORDER BY id") == before


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ([], 0),
        (
            [
                ReconcileOutcome.AGREES,
                ReconcileOutcome.ADOPTED,
                ReconcileOutcome.LATER,
                ReconcileOutcome.VOIDED,
                ReconcileOutcome.CONFIRMED,
                ReconcileOutcome.NOTHING_THERE,
            ],
            0,
        ),
        ([ReconcileOutcome.AGREES, ReconcileOutcome.GONE], 6),
        ([ReconcileOutcome.AGREES, ReconcileOutcome.NOT_REACHED], 6),
        ([ReconcileOutcome.NOT_REACHED, ReconcileOutcome.NOT_REACHED], 7),
    ],
)
def test_the_exit_code_says_whether_a_person_is_needed(outcomes, code):
    assert exit_of_outcomes(outcomes) == code
