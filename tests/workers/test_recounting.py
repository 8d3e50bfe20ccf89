import msgspec
import pytest

from domain.gates import GateKind
from infra.config.settings import Location, Sender, Settings
from infra.engine.author import Author
from ops.verbs.gates import pause
from workers import stocking
from workers.stocking import Recounting

SENDER = Sender(contact="仓库", phone="02112345678", province="上海", city="上海市", district="嘉定区", detail="1号")


@pytest.fixture
def settings():
    return Settings(
        locations=tuple(
            Location(name=name, endpoint="http://127.0.0.1:1/x", sender=SENDER, credentials={}, count_every_s=every_s)
            for name, every_s in (("east", 900.0), ("west", 60.0), ("south", 0.0))
        )
    )


@pytest.fixture
def asked(monkeypatch, database):
    names = []

    def count_again(_settings, _db, _clock, locations, _author):
        names.append([location.name for location in locations])
        return {}

    monkeypatch.setattr(stocking, "count_again", count_again)
    with database.transaction() as tx:
        tx.execute(
            "INSERT INTO location (name, stock_asked_at)"
            " SELECT name, now() - interval '5 minutes' FROM unnest('{east,west,south}'::text[]) AS name"
        )
    return names


def test_each_location_is_counted_at_its_pace(settings, database, asked):
    Recounting(settings, database).tend()
    assert asked == [["west"]]


def test_one_that_was_never_counted_again_is_due(settings, database, asked):
    with database.transaction() as tx:
        tx.execute("UPDATE location SET stock_asked_at = NULL")
    Recounting(settings, database).tend()
    assert asked == [["east", "west"]]


def test_a_warehouse_whose_account_is_paused_is_left_alone(settings, database, asked):
    pause(database, GateKind.ACCOUNT, "warehouse/west", Author("mei", "inventory"), None)
    Recounting(settings, database).tend()
    assert asked == []


def test_nobody_is_asked_where_nothing_is_due(settings, database, asked):
    still = msgspec.structs.replace(settings, locations=settings.locations[:1])
    Recounting(still, database).tend()
    Recounting(Settings(), database).tend()
    assert asked == []
