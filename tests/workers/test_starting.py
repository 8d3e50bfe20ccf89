import threading

import pytest

from domain.errors import Misconfigured
from infra.config.settings import Settings, Stores
from workers.release import release
from workers.starting import await_schema


@pytest.fixture
def settings(empty_url, redis_url):
    return Settings(stores=Stores(database_url=empty_url, redis_url=redis_url))


def test_a_schema_that_nobody_applies_ends_the_wait(settings) -> None:
    with pytest.raises(Misconfigured, match=r"python -m workers\.release") as refused:
        await_schema(settings, threading.Event(), patience_s=0.0)
    assert refused.value.code == "schema_behind"


def test_who_is_told_to_stop_waits_no_longer(settings) -> None:
    stopping = threading.Event()
    stopping.set()
    assert not await_schema(settings, stopping)


def test_with_the_schema_there_it_goes_on_at_once(settings) -> None:
    release(settings)
    assert await_schema(settings, threading.Event(), patience_s=0.0)
