import pytest

from infra.config.secret import Secret
from infra.config.settings import Location, Sender, Settings
from workers import stocking
from workers.stocking import Stocking, load


@pytest.fixture
def settings() -> Settings:
    """Two locations; nobody listens at either."""
    sender = Sender(
        contact="仓库", phone="02112345678", province="上海", city="上海市", district="嘉定区", detail="1号"
    )
    return Settings(
        locations=tuple(
            Location(name=name, endpoint="http://127.0.0.1:1/x", sender=sender, credentials={"secret": Secret("x")})
            for name in ("east", "west")
        )
    )


@pytest.fixture
def asked(monkeypatch, database):
    """Locations in the order in which they are asked; those in `answering` have a SKU to report."""
    names, answering = [], set()

    def stock_up(_settings, db, _clock, locations):
        for location in locations:
            names.append(location.name)
            if location.name in answering:
                with db.transaction() as tx:
                    tx.execute("INSERT INTO stock_pool (sku, on_hand) VALUES (%s, 1)", [location.name])
                    tx.execute(
                        "INSERT INTO stock_location (sku, location, on_hand) VALUES (%s, %s, 1)", [location.name] * 2
                    )
        return {}

    monkeypatch.setattr(stocking, "stock_up", stock_up)
    return names, answering


def test_a_warehouse_that_is_away_stops_nobody(settings, database):
    load(settings, database, settings.locations)
    with database.connection() as connection:
        assert connection.execute("SELECT count(*) FROM stock_location").fetchone() == (0,)


def test_a_location_is_asked_until_something_is_counted(settings, database, asked):
    names, answering = asked
    duty = Stocking(settings, database)
    answering.add("west")
    duty.tend()
    duty.tend()
    answering.add("east")
    duty.tend()
    duty.tend()
    duty.tend()
    assert sorted(names[:2]) == ["east", "west"]
    assert names[2:] == ["east", "east"], "what is counted is left alone, and so is a house that has everything"


def test_without_locations_nobody_is_asked(database, asked):
    Stocking(Settings(), database).tend()
    load(Settings(), database, ())
    assert asked[0] == []
