"""A backup is restored while warehouses kept the documents that were placed since."""

import json
from collections import Counter

import pytest
from click.testing import CliRunner

from infra.monitoring.invariants import find_breaches
from sandbox.spec import Floor
from workers.main import main

FEW = 5
LATE_STEPS = ("label", "dispatch", "warehouse", "writeback", "notify")
DOUBLES = {name: Floor(is_idempotent=False) for name in ("shanghai", "guangzhou")}
REFUSES = {"shanghai": Floor(refuses=1.0), "guangzhou": Floor()}

pytestmark = pytest.mark.slow


@pytest.fixture
def reconcile(small_house):
    """Run `orderlane reconcile` on the house as it is now; its exit code, its counts and its results."""

    def run(*arguments):
        result = CliRunner().invoke(main, ["reconcile", "--json", *arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        told = json.loads(result.stdout.splitlines()[-1])
        return result.exit_code, told["counts"], told["results"]

    return run


@pytest.fixture
def restore(small_house, monkeypatch):
    """From now on the house works on a backup."""

    def on(backup: str) -> None:
        small_house.database_url = backup
        monkeypatch.setenv("ORDERLANE_DATABASE_URL", backup)

    return on


def documents(house):
    """Documents at the warehouses by reference, and by state."""
    rows = house.stage.read("_ledger")["documents"]
    return Counter(row["reference"] for row in rows), Counter(row["state"] for row in rows)


def breaches(house):
    with house.worker() as runtime, runtime.db.connection() as session:
        return find_breaches(session)


@pytest.mark.parametrize("small_house", [DOUBLES], indirect=True)
def test_documents_placed_since_the_backup_are_adopted_and_none_is_placed_twice(small_house, restore, reconcile):
    small_house.play(without=LATE_STEPS, until="package")
    backup = small_house.backup()
    small_house.play()
    placed, _ = documents(small_house)
    assert sorted(placed.values()) == [1] * FEW
    restore(backup)

    assert reconcile("--dry-run")[:2] == (0, {"would be adopted": FEW, "document would be adopted": FEW})
    assert small_house.rows("SELECT count(*) FROM placement") == [(0,)]
    code, counts, results = reconcile()
    assert (code, counts) == (0, {"adopted": FEW, "document adopted": FEW})
    assert {one["document"] for one in results if one["document"]} == set(placed)
    assert small_house.rows("SELECT DISTINCT verb FROM audit WHERE verb = 'document_adopted'") == [
        ("document_adopted",)
    ]
    assert reconcile()[:2] == (0, {"agrees": 2 * FEW})

    small_house.play()
    assert documents(small_house)[0] == placed
    assert small_house.rows("SELECT DISTINCT status FROM placement") == [("final",)]
    assert breaches(small_house) == []


@pytest.mark.parametrize("small_house", [REFUSES], indirect=True)
def test_a_later_generation_at_another_location_is_found(small_house, restore, reconcile):
    small_house.play(without=LATE_STEPS, until="package")
    backup = small_house.backup()
    small_house.play()
    placed, states = documents(small_house)
    assert states["refused"] > 0
    restore(backup)
    _, counts, results = reconcile()
    assert counts["document adopted"] == FEW
    living = {row["reference"] for row in small_house.stage.read("_ledger")["documents"] if row["state"] != "refused"}
    assert {one["document"] for one in results if one["document"]} == living
    assert small_house.rows("SELECT DISTINCT location FROM placement") == [("guangzhou",)]
    small_house.play()
    assert documents(small_house) == (placed, states)
    assert breaches(small_house) == []


@pytest.mark.parametrize("small_house", [DOUBLES], indirect=True)
def test_a_second_document_and_one_that_is_gone_are_named_for_a_person(small_house, reconcile):
    small_house.play()
    [[known]] = small_house.rows("SELECT reference FROM placement ORDER BY id LIMIT 1")
    other = known.removesuffix("1") + "2"
    small_house.rows("UPDATE placement SET reference = %s, generation = 2 WHERE reference = %s", other, known)
    [[gone]] = small_house.rows("SELECT reference FROM placement ORDER BY id DESC LIMIT 1")
    small_house.rows(
        """UPDATE fulfillment_order SET number = 9
           WHERE id = (SELECT fulfillment_order_id FROM placement WHERE reference = %s)""",
        gone,
    )
    code, counts, results = reconcile()
    assert code == 6
    assert (
        counts["a second document at a warehouse"],
        counts["handed to a warehouse here, no warehouse works on it"],
    ) == (
        1,
        1,
    )
    assert known in {one["document"] for one in results}
    assert small_house.rows("SELECT count(*) FROM placement WHERE status = 'intended'") == [(0,)]
