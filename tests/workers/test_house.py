import pytest

from infra.settings import Location, Secret, Sender, Settings, Stores
from infra.stores import Connection
from workers import house


@pytest.fixture
def location() -> Location:
    sender = Sender(
        contact="仓库", phone="02112345678", province="上海", city="上海市", district="嘉定区", detail="1号"
    )
    return Location(
        name="away", endpoint="http://127.0.0.1:1/warehouse", sender=sender, credentials={"secret": Secret("x")}
    )


def test_a_warehouse_that_could_not_be_read_is_left_to_be_asked_again(database_url, location) -> None:
    settings = Settings(stores=Stores(database_url=database_url), locations=(location,))
    assert house.load(settings, settings.locations) == [location]


def test_without_locations_there_is_nothing_to_load() -> None:
    assert house.load(Settings(), ()) == []


def test_children_are_told_where_settings_and_stores_are(tmp_path) -> None:
    stores = Connection(Secret("host=db"), Secret("redis://q"), embedded=False)
    assert house.environment_of(tmp_path / "orderlane.toml", stores) == {
        "ORDERLANE_SETTINGS": str(tmp_path / "orderlane.toml"),
        "ORDERLANE_DATABASE_URL": "host=db",
        "ORDERLANE_REDIS_URL": "redis://q",
    }
