from infra.settings import Secret
from infra.stores import Connection
from workers import house


def test_children_are_told_where_settings_and_stores_are(tmp_path) -> None:
    stores = Connection(Secret("host=db"), Secret("redis://q"), embedded=False)
    assert house.environment_of(tmp_path / "orderlane.toml", stores) == {
        "ORDERLANE_SETTINGS": str(tmp_path / "orderlane.toml"),
        "ORDERLANE_DATABASE_URL": "host=db",
        "ORDERLANE_REDIS_URL": "redis://q",
    }
