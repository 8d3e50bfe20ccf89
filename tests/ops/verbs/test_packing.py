"""The whole way of orders through locations of our own, by the commands of people, on the sandbox's real protocols."""

import json

import msgspec
import pytest
from click.testing import CliRunner

from infra.monitoring.invariants import find_breaches
from infra.tables.pool import Database
from workers.main import main


def change_settings(house, change):
    file = house.stage.settings_file
    tree = msgspec.toml.decode(file.read_bytes())
    change(tree)
    file.write_bytes(msgspec.toml.encode(tree))


@pytest.fixture
def own_house(small_house):
    """The house, whose locations have no system of their own; its stock was counted before."""

    def own(tree):
        for entry in tree["locations"]:
            del entry["endpoint"], entry["credentials"]
            entry["kind"] = "own"

    change_settings(small_house, own)
    return small_house


@pytest.fixture
def placed(own_house):
    """Every order is labelled, and waits to be picked."""
    own_house.play(until="placement WHERE status = 'placed'")
    return own_house


def outdate(house):
    """Let 91 seconds pass since the platform last allowed to ship."""
    house.rows("UPDATE shipment SET checked_at = now() - interval '91 seconds'")
    house.rows("UPDATE placement SET checked_at = now() - interval '91 seconds'")


def orderlane(*arguments, stdin=None):
    return CliRunner().invoke(main, [str(one) for one in arguments], input=stdin)


def as_json(*arguments, stdin=None):
    result = orderlane(*arguments, "--json", stdin=stdin)
    return result.exit_code, json.loads(result.stdout.splitlines()[-1])


def test_an_order_goes_its_whole_way_through_a_location_of_our_own(placed):
    code, picked = as_json("picks")
    waybills = [one["waybill"] for one in picked["packages"]]
    assert (code, len(set(waybills))) == (0, len(waybills))
    assert len(waybills) >= 5
    scans = "\n".join(waybills)
    # An order whose courier reports tracking events stays packed until the courier has collected it.
    for act, state in (("accept", "in_warehouse"), ("pack", "packed"), ("hand-over", "packed")):
        code, told = as_json("package", act, "--from", "-", stdin=scans)
        assert (code, told["counts"]) == (0, {"done": len(waybills), "unchanged": 0, "refused": 0, "unanswered": 0})
        assert placed.rows("SELECT DISTINCT state FROM fulfillment_order") == [(state,)]
        code, told = as_json("package", act, "--from", "-", stdin=scans)
        assert (code, told["counts"]["unchanged"]) == (0, len(waybills))
    assert placed.rows("SELECT DISTINCT reservation FROM fulfillment_order") == [("consumed",)]
    placed.play()
    ledger = placed.stage.read("_ledger")
    assert {row["number"] for row in ledger["waybills"] if row["is_alive"]} == set(waybills)
    assert set(placed.told().values()) == {1}
    assert len(placed.told()) == 5
    assert orderlane("picks").stdout == "nothing is to be picked\n"
    with Database(placed.database_url, 1) as db, db.connection() as session:
        assert find_breaches(session) == []


@pytest.mark.parametrize("ship_on", ["packed", "label"])
def test_what_the_platform_shows_as_shipped_by_us_may_be_handed_over(own_house, ship_on):
    change_settings(own_house, lambda tree: tree["shops"][0].update(ship_on=ship_on))
    own_house.play(until="placement WHERE status = 'placed'")
    waybills = [row[0] for row in own_house.rows("SELECT waybill FROM shipment")]
    assert as_json("package", "pack", *waybills)[0] == 0
    own_house.play(until="writeback WHERE status = 'confirmed'")
    outdate(own_house)
    code, told = as_json("package", "hand-over", *waybills)
    assert (code, told["counts"]["done"]) == (0, len(waybills)), told


def test_workers_are_given_a_port_that_reads_our_rows(placed):
    [[location, reference]] = placed.rows("SELECT location, reference FROM placement ORDER BY id LIMIT 1")
    with placed.worker() as runtime:
        runner = runtime.runners["dispatch"]
        found = runner.event_loop.run(runner.step.tools.warehouse(location).find(reference))
    assert found.progress == "taken"


def test_the_list_fits_a_terminal_and_names_nobody(placed, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    names = [name for [name] in placed.rows("SELECT name FROM receiver")]
    for by in ("wave", "order"):
        shown = orderlane("picks", "--by", by).stdout
        assert max(map(len, shown.splitlines())) <= 80
        assert "SF1" in shown
        assert not [name for name in names if name in shown]


def test_a_refund_asked_after_the_label_stays_in_the_house(placed):
    [[order_id, tid, waybill]] = placed.rows(
        """SELECT o.id, o.platform_order_id, s.waybill FROM orders AS o
           JOIN fulfillment_order AS f ON f.order_id = o.id JOIN package AS p ON p.fulfillment_order_id = f.id
           JOIN shipment AS s ON s.package_id = p.id ORDER BY o.id LIMIT 1"""
    )
    outdate(placed)
    placed.stage.pull("ask_refund", tid=tid)
    result = orderlane("package", "hand-over", waybill)
    assert result.exit_code == 5
    assert "refused (the platform says: refund_requested" in result.stdout
    assert placed.rows("SELECT state FROM fulfillment_order WHERE order_id = %s", order_id) == [("allocated",)]


def test_without_a_platform_nothing_is_handed_over(placed):
    [[waybill]] = placed.rows("SELECT waybill FROM shipment ORDER BY id LIMIT 1")
    placed.rows("UPDATE shipment SET checked_at = NULL")
    placed.rows("UPDATE placement SET checked_at = NULL")
    change_settings(placed, lambda tree: tree["shops"][0].update(endpoint="http://127.0.0.1:1/router/rest"))
    result = orderlane("package", "hand-over", waybill)
    assert result.exit_code == 7, result.stdout
    assert "nothing was done (connection_failed" in result.stdout
    assert placed.rows("SELECT count(*) FROM package WHERE handed_over_at IS NOT NULL") == [(0,)]


@pytest.mark.parametrize(
    "arguments",
    [
        ["package", "pack"],
        ["package", "pack", "SF1", "--from", "-"],
        ["package", "pack", "SF1", "--column", "waybill"],
        ["picks", "north"],
        ["stock", "set", "north", "TEE=1"],
        ["stock", "count", "north"],
    ],
)
def test_what_says_nothing_clear_is_a_usage_error(own_house, arguments):
    result = orderlane(*arguments)
    assert (result.exit_code, result.stdout) == (2, ""), result.stderr


def test_stock_is_set_and_imported_by_hand(own_house, tmp_path):
    [[location]] = own_house.rows("SELECT name FROM location ORDER BY name LIMIT 1")
    file = tmp_path / "stock.csv"
    file.write_text("sku,pieces\nMUG,4\n")
    said = orderlane("stock", "set", location, "CUP=3").stdout
    assert said == f"{location}: 1 SKUs, 1 new, 0 more, 0 fewer, 0 refused\n"
    assert orderlane("stock", "import", location, file).exit_code == 0
    assert orderlane("stock", "set", location, "CUP=x").exit_code == 2
    rows = own_house.rows("SELECT sku, on_hand FROM stock_location WHERE sku IN ('CUP', 'MUG') ORDER BY sku")
    assert rows == [("CUP", 3), ("MUG", 4)]
