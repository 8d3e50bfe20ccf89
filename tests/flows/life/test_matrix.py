"""The resiliency matrix: what goes on while one neighbour is down, and that everything ends once it is back."""

from contextlib import suppress

import psycopg
import pytest

from domain.ledger_check import Verdict
from infra.queue.keys import BellKey
from ops.views.due import due_orders
from ops.views.order import view_order

pytestmark = pytest.mark.slow

SHOP, COURIER = "taobao/shop-1", "sf/main"
BEFORE_THE_HAND_OVER = {"pull", "route", "label", "commands"}
ALL = BEFORE_THE_HAND_OVER | {"writeback", "notice"}
FULL = """
CREATE FUNCTION refuse_write() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = 'disk_full'; END $$;
CREATE FUNCTION fill_disk() RETURNS void LANGUAGE plpgsql AS $$ DECLARE name text; BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE OR DELETE ON %%I
                        EXECUTE FUNCTION refuse_write()', name);
    END LOOP; END $$;
CREATE FUNCTION free_disk() RETURNS void LANGUAGE plpgsql AS $$ DECLARE name text; BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('DROP TRIGGER full_disk ON %%I', name);
    END LOOP; END $$;
"""


@pytest.fixture
def house(make_house):
    """A house with an order at the edge of each feature."""
    house = make_house()
    house.bring_order_to("warehouse")
    house.bring_order_to("label")
    house.bring_order_to("reserve")
    house.buyers.order()
    return house


def number(house, query):
    [[value]] = house.rows(query)
    return value


def does_look(house):
    return len(due_orders(house.db)) > 0 and view_order(house.db, 1).timeline != ()


def working(house):
    """The features that work, seen by what becomes of the four orders in one round of all steps."""
    with suppress(psycopg.OperationalError):
        house.run_all()
    seen = {
        "pull": number(house, "SELECT count(DISTINCT platform_order_id) = 4 FROM raw_payload"),
        "route": number(house, "SELECT count(*) >= 3 FROM package"),
        "label": number(house, "SELECT count(*) >= 2 FROM shipment WHERE status = 'booked'"),
        "writeback": number(house, "SELECT count(*) >= 1 FROM writeback WHERE status = 'confirmed'"),
        "notice": number(house, "SELECT count(*) >= 1 FROM notice WHERE status = 'told'"),
        "commands": does_look(house),
    }
    return {feature for feature, works in seen.items() if works}


def comes_home(house):
    """All four orders, once nothing is down any more, with nothing done twice."""
    house.corridor.down.clear()
    house.settle()
    comparison = house.comparison()
    return comparison.agrees and comparison.verdicts == {Verdict.DONE: 4} and not house.told_twice()


@pytest.mark.parametrize(
    ("down", "how", "still"),
    [
        ("nobody", "away", ALL),
        ("sf", "away", ALL - {"label"}),
        ("sf", "unheard", ALL - {"label"}),
        ("taobao", "away", {"route", "notice", "commands"}),
        ("warehouse", "away", BEFORE_THE_HAND_OVER),
        ("hook", "away", ALL - {"notice"}),
    ],
)
def test_a_neighbour_that_is_down_stops_only_what_needs_it(house, down, how, still):
    house.corridor.down[down] = how
    assert working(house) == still
    assert house.breaches() == []
    assert comes_home(house)


def test_on_a_full_disk_nothing_is_sent_and_people_can_look(house):
    house.rows(FULL)
    house.rows("SELECT fill_disk()")
    calls = dict(house.world.ledger.calls)
    booked = len(house.world.waybills.by_number)
    for _ in range(3):
        assert working(house) == {"commands"}
    assert len(house.world.waybills.by_number) == booked
    assert house.world.ledger.calls == calls
    house.rows("SELECT free_disk()")
    assert house.breaches() == []
    assert house.rows("SELECT * FROM dead_letter") == []
    assert comes_home(house)


def follow_bells(house, *first):
    """Work by bells alone, as workers do while no sweeper is awake."""
    waiting = list(first)
    while waiting:
        key = waiting.pop(0)
        house.bells.keys.clear()
        house.runners[key.step].run(key)
        waiting += sorted(set(house.bells.keys))


def test_without_a_sweeper_what_was_rung_for_goes_on_and_the_rest_waits_for_the_next(house):
    follow_bells(house, BellKey("pull", "p1", SHOP))
    assert number(house, "SELECT count(*) FROM shipment WHERE status = 'booked'") >= 2
    house.buyers.order()
    assert number(house, "SELECT count(*) FROM raw_payload") == 4, "nobody rings for the next pull"
    house.bells.keys.clear()
    house.pass_time()
    assert {key.step for key in house.bells.keys} >= {"pull", "warehouse"}
    house.settle()
    assert house.comparison().verdicts == {Verdict.DONE: 5}
