import pytest

from adapters.ports import StockCount, StockLevel
from adapters.rejection import Rejected
from domain.errors import FulfilmentError, Malformed
from infra.config.secret import Secret
from infra.config.settings import Location, Sender, Settings
from infra.engine.author import Author
from infra.engine.event_loop import EventLoopThread
from infra.process.clock import SystemClock
from infra.tables.alarm_conditions import stock_faults
from infra.tables.locations import asked_s_ago
from ops.doctor import backlog
from ops.doctor.check import Level
from ops.verbs import stock
from ops.verbs.stock import count_again, count_location

SENDER = Sender(contact="仓库", phone="02112345678", province="上海", city="上海市", district="嘉定区", detail="1号")


EAST = Location(name="east", endpoint="http://127.0.0.1:1/x", sender=SENDER, credentials={"secret": Secret("x")})


class HandWarehouse:
    def __init__(self, **levels):
        self.levels = levels
        self.rejected = ()

    async def stock(self):
        return StockCount(tuple(StockLevel(sku, quantity) for sku, quantity in self.levels.items()), self.rejected)


@pytest.fixture
def settings(database):
    with database.transaction() as tx:
        tx.execute("INSERT INTO location (name) VALUES ('east'), ('west')")
    return Settings(
        locations=tuple(
            Location(name=name, endpoint="http://127.0.0.1:1/x", sender=SENDER, credentials={"secret": Secret("x")})
            for name in ("east", "west")
        )
    )


MEI = Author("mei", "inventory")


def count(database, warehouse):
    with EventLoopThread() as event_loop:
        return count_location(database, event_loop, EAST, warehouse, MEI)


def faults(database):
    """Why locations could not be counted last, for the alarm."""
    with database.connection() as connection:
        found = stock_faults(connection, ["east", "west"])
    return {location: held.facts["code"] for location, held in found.items()}


def test_a_warehouse_that_corrects_itself_upwards_is_believed(settings, database):
    assert count(database, HandWarehouse(A=3)).new == {"A": 3}
    assert count(database, HandWarehouse(A=5)).raised == {"A": 2}
    with database.connection() as connection:
        asked = asked_s_ago(connection, ["east", "west"])
    assert asked["east"] is not None
    assert asked["west"] is None


def test_doctor_names_a_count_below_what_is_promised(settings, database):
    count(database, HandWarehouse(A=3))
    with database.transaction() as tx:
        tx.execute("UPDATE stock_pool SET reserved = 3")
    count(database, HandWarehouse(A=1))
    with database.connection() as session:
        check = backlog.refused_counts(session)
    assert (check.level, "A at east: 1, ours 3" in check.message) == (Level.WARN, True)


def test_one_location_that_cannot_be_counted_keeps_no_other_from_it(settings, database, monkeypatch):
    answers = {"east": ValueError("张三"), "west": HandWarehouse(A=1)}

    def counted(db, event_loop, location, _, author):
        if isinstance(answers[location.name], Exception):
            raise answers[location.name]
        return count_location(db, event_loop, location, answers[location.name], author)

    monkeypatch.setattr(stock, "count_location", counted)
    found = count_again(settings, database, SystemClock(), settings.locations, MEI)
    assert str(found["east"]) == "count_not_written: ValueError"
    assert found["west"].new == {"A": 1}
    assert faults(database) == {"east": "count_not_written"}
    answers["east"] = Malformed("field_missing")
    assert isinstance(count_again(settings, database, SystemClock(), settings.locations, MEI)["east"], FulfilmentError)
    assert faults(database) == {"east": "field_missing"}
    answers["east"] = HandWarehouse(A=1)
    count_again(settings, database, SystemClock(), settings.locations, MEI)
    assert faults(database) == {}


def test_a_row_that_cannot_be_read_keeps_our_figure_and_is_recorded(settings, database):
    count(database, HandWarehouse(A=3, B=3))
    warehouse = HandWarehouse(A=5)
    warehouse.rejected = (Rejected(1, "field_invalid", "stock[1].quantity", "B"),)

    found = count(database, warehouse)

    assert (found.raised, found.lowered) == ({"A": 2}, {})
    with database.connection() as session:
        check = backlog.unreadable_entries(session)
    assert check.level is not Level.OK
