import pytest

from domain.errors import Misconfigured
from infra.config.settings import read_settings
from infra.config.store_urls import check_database, check_redis

SECRET = "hush-hush"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///orderlane",
        "postgresql:///orderlane?host=/run/postgresql",
        "host=@abstract dbname=orderlane",
        "postgresql://me@localhost/orderlane",
        "postgresql://me@127.0.0.1:5433/orderlane",
        "postgresql://me@[::1]/orderlane",
        f"postgresql://me:{SECRET}@db.example/orderlane?sslmode=require",
        f"host=db.example password={SECRET} sslmode=verify-full",
        "postgresql://me@db.example/orderlane?sslmode=verify-full&sslcert=client.pem",
    ],
)
def test_databases_that_may_be_used(url):
    check_database(url, {})


@pytest.mark.parametrize(
    ("url", "missing"),
    [
        ("postgresql://me@db.example/orderlane", "TLS and a password"),
        (f"postgresql://me:{SECRET}@db.example/orderlane", "TLS"),
        (f"postgresql://me:{SECRET}@db.example/orderlane?sslmode=prefer", "TLS"),
        ("postgresql://me@10.0.0.7/orderlane?sslmode=require", "a password"),
        (f"postgresql://me:{SECRET}@localhost,db.example/orderlane", "TLS"),
        (f"host=localhost hostaddr=192.0.2.7 password={SECRET}", "TLS"),
        (f"host=0.0.0.0 password={SECRET}", "TLS"),
    ],
)
def test_databases_that_are_exposed(url, missing):
    with pytest.raises(Misconfigured, match=f"store_exposed.* without {missing}:") as refused:
        check_database(url, {})
    assert SECRET not in str(refused.value)


def test_the_environment_of_libpq_counts():
    with pytest.raises(Misconfigured, match="store_exposed"):
        check_database("dbname=orderlane", {"PGHOST": "db.example"})
    check_database("dbname=orderlane", {"PGHOST": "db.example", "PGSSLMODE": "require", "PGPASSFILE": "pass"})


@pytest.mark.parametrize(
    "url",
    [
        "unix:///run/redis.sock?db=0",
        "redis://localhost",
        "redis://127.0.0.1:6380/0",
        f"rediss://:{SECRET}@cache.example",
        f"rediss://cache.example/0?password={SECRET}",
    ],
)
def test_queues_that_may_be_used(url):
    check_redis(url)


@pytest.mark.parametrize(
    ("url", "missing"),
    [
        ("redis://cache.example", "TLS and a password"),
        (f"redis://:{SECRET}@cache.example", "TLS"),
        ("rediss://cache.example", "a password"),
        ("redis://10.1.2.3", "TLS and a password"),
    ],
)
def test_queues_that_are_exposed(url, missing):
    with pytest.raises(Misconfigured, match=f"store_exposed.* without {missing}:") as refused:
        check_redis(url)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("check", [lambda url: check_database(url, {}), check_redis])
def test_what_cannot_be_read_is_not_quoted(check):
    with pytest.raises(Misconfigured, match="url_invalid") as refused:
        check(f"http://[{SECRET}")
    assert SECRET not in str(refused.value)


def test_no_process_starts_with_an_exposed_store_unless_its_network_is_trusted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, url in (("DATABASE", "postgresql://me@db.example/orderlane"), ("REDIS", "redis://cache.example")):
        exposed = {f"ORDERLANE_{name}_URL": url}
        with pytest.raises(Misconfigured, match="store_exposed"):
            read_settings(environ=exposed)
        file = tmp_path / "trusting.toml"
        file.write_text("[stores]\ntrusts_network = true\n")
        assert read_settings(file, exposed).stores.trusts_network
