from infra.config.secret import Secret
from infra.config.settings import Stores, read_settings
from infra.servers import Connection
from workers import run_all


def test_children_are_told_where_settings_and_stores_are(tmp_path) -> None:
    stores = Connection(Secret("host=db"), Secret("redis://q"), embedded=False)
    assert run_all.environment_of(tmp_path / "orderlane.toml", stores) == {
        "ORDERLANE_SETTINGS": str(tmp_path / "orderlane.toml"),
        "ORDERLANE_DATABASE_URL": "host=db",
        "ORDERLANE_REDIS_URL": "redis://q",
    }


def test_children_read_a_configured_store_s_secret_themselves(tmp_path, monkeypatch) -> None:
    """A secret of a file is in no process's environment; the child reads it from the place that the settings name."""
    (tmp_path / "db").write_text("host=/run/db password=secret")
    (tmp_path / "redis").write_text("unix:///run/redis?password=secret")
    file = tmp_path / "orderlane.toml"
    file.write_text('[stores]\ndatabase_url = "file:db"\nredis_url = "file:redis"\n')
    configured = read_settings(file, {})
    stores = Connection(configured.stores.database_url, configured.stores.redis_url, embedded=False)

    environment = run_all.environment_of(file, stores, configured.stores)

    assert "secret" not in repr(environment)
    assert read_settings(environ=environment).stores == configured.stores


def test_a_private_store_beside_a_configured_one_is_named(tmp_path) -> None:
    stores = Connection(Secret("host=db password=secret"), Secret("unix:///run/redis"), embedded=True)
    configured = Stores(database_url=stores.database_url)
    environment = run_all.environment_of(tmp_path / "orderlane.toml", stores, configured)
    assert environment.get("ORDERLANE_REDIS_URL") == "unix:///run/redis"
    assert "ORDERLANE_DATABASE_URL" not in environment
