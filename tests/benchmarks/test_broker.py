"""The scenes run, small, and what they find can be drawn."""

from dataclasses import replace

import dramatiq
import pytest

from benchmarks.broker.pictures import draw
from benchmarks.broker.scenes import delayed, drain, flood
from benchmarks.broker.systems import ALL, CELERY, PRIORITY, SYSTEMS


@pytest.fixture(autouse=True)
def _own_global_broker(monkeypatch):
    monkeypatch.setattr(dramatiq.broker, "global_broker", None)


def test_a_flood_is_measured_and_drawn(redis_url, tmp_path):
    url = redis_url.reveal()
    systems = {PRIORITY: drain(PRIORITY, url, 100)}
    figures, waits = flood(PRIORITY, url, 100, 5)
    assert figures["flood_p50_ms"] > 0
    draw(systems, {PRIORITY: waits}, tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"broker-drain.svg", "broker-flood.svg"}


def test_due_messages_start_and_the_others_wait(redis_url, redis):
    assert delayed(PRIORITY, redis_url.reveal(), far=50, due=10)["late_p50_ms"] > 0
    assert redis.zcard("{priority:work}:delayed") == 50


def test_a_system_that_is_not_installed_says_what_is_missing():
    absent = replace(ALL[CELERY], needs="no_such_package")

    assert absent.missing.startswith("no_such_package is not installed")
    assert [name for name, system in SYSTEMS.items() if system.missing] in ([], [CELERY])
