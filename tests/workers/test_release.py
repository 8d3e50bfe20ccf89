import pytest
from click.testing import CliRunner

from domain.errors import Misconfigured
from infra.config.settings import Settings, Shop, Stores
from workers.release import main, release, starts_beside_others, wait_for_release


def settings(url):
    return Settings(stores=Stores(database_url=url))


def test_who_starts_beside_the_release_waits_for_it(empty_url):
    looks = []

    def sleep(seconds):
        looks.append(seconds)
        if len(looks) == 3:
            release(settings(empty_url))

    wait_for_release(settings(empty_url), sleep)
    assert len(looks) == 3


def test_a_database_that_is_up_to_date_or_further_on_keeps_nobody_waiting(database, database_url):
    wait_for_release(settings(database_url), pytest.fail)
    with database.transaction() as tx:
        tx.execute("INSERT INTO schema_migration (version, name, checksum) VALUES (9999, 'pre_later', '')")
    wait_for_release(settings(database_url), pytest.fail)


@pytest.mark.parametrize(
    ("environ", "is_beside"),
    [
        ({"HONCHO_PROCESS_NAME": "release.1"}, True),
        ({"PS": "release.1"}, True),
        ({}, False),
        ({"PS": "$ "}, False),
        ({"DYNO": "release.4711"}, False),
        ({"DYNO": "release.4711", "PS": "release.1"}, False),
    ],
)
def test_it_stays_only_beside_others(environ, is_beside):
    assert starts_beside_others(environ) == is_beside


@pytest.mark.parametrize("options", [[], ["--wait"]])
def test_the_command(options, database_url, monkeypatch, tmp_path):
    monkeypatch.setenv("ORDERLANE_DATABASE_URL", database_url.reveal())
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, options)
    assert done.exit_code == 0, done.output


def test_a_new_shop_without_an_instant_is_refused_with_the_line_to_add(database, database_url):
    shop = Shop(name="main", platform="taobao", endpoint="http://localhost", credentials={})
    known = Settings(stores=Stores(database_url=database_url), shops=(shop,))
    with pytest.raises(Misconfigured, match="take_over_from = 20"):
        release(known)
    with database.connection() as connection:
        assert connection.execute("SELECT count(*) FROM shop").fetchone() == (0,)
