from contextlib import closing

import msgspec
import pytest

from domain.errors import Misconfigured, Transient
from domain.gates import GateKind, GateShut
from infra.accounts.rules import rules_of
from infra.accounts.shared_breaker import SharedGates, connect_gates
from infra.config.settings import Guard, Limit
from infra.engine.author import Author
from ops.verbs.gates import pause, resume
from ops.views.lookup import courier_lookup

MEI = Author("mei", "tests")


@pytest.fixture
def shared(played, monkeypatch):
    """The gates of all processes; the courier's is as new afterwards. A busy machine is no reason to judge alone."""
    monkeypatch.setattr("infra.accounts.shared_breaker._TIMEOUT_S", 10.0)
    with closing(connect_gates(played.settings.stores.redis_url.reveal())) as client:
        yield SharedGates(client)
        for courier in played.settings.couriers:
            SharedGates(client).forget(courier.account)


@pytest.fixture
def booked(played):
    """Account, reference and waybill of a package that the courier carries."""
    with played.db.connection() as connection:
        row = connection.execute(
            """SELECT p.account, s.reference, s.waybill FROM shipment AS s JOIN package AS p ON p.id = s.package_id
               WHERE s.status = 'booked' LIMIT 1"""
        ).fetchone()
    assert row is not None
    return row


def test_the_courier_says_what_it_has(played, booked):
    account, reference, waybill = booked
    with courier_lookup(played.settings, played.db) as ask:
        assert ask(account, reference) == waybill
        assert ask(account, f"{'A' * 20}-1-1") is None


def test_an_account_that_is_not_configured_cannot_be_asked(played, booked):
    with courier_lookup(played.settings, played.db) as ask, pytest.raises(Misconfigured, match="account_unknown"):
        ask("sf/gone", booked[1])


def test_a_courier_that_is_away_is_an_error_of_ours(played, booked, shared):
    away = tuple(
        msgspec.structs.replace(courier, endpoint="http://127.0.0.1:1/std/service")
        for courier in played.settings.couriers
    )
    settings = msgspec.structs.replace(played.settings, couriers=away)
    with courier_lookup(settings, played.db) as ask, pytest.raises(Transient):
        ask(booked[0], booked[1])


def test_a_paused_courier_is_not_asked(played, booked, shared):
    account, reference, waybill = booked
    pause(played.db, GateKind.ACCOUNT, account, MEI, None)
    try:
        with courier_lookup(played.settings, played.db) as ask, pytest.raises(GateShut, match="paused"):
            ask(account, reference)
    finally:
        resume(played.db, shared, GateKind.ACCOUNT, account, MEI, settings=played.settings)
    with courier_lookup(played.settings, played.db) as ask:
        assert ask(account, reference) == waybill


def test_a_courier_is_asked_no_more_often_than_it_allows(played, booked, shared):
    account, reference, _ = booked
    limited = tuple(
        msgspec.structs.replace(courier, limit=Limit(rate_per_s=0.001, burst=1)) for courier in played.settings.couriers
    )
    settings = msgspec.structs.replace(played.settings, couriers=limited)
    shared.forget(account)
    with (
        courier_lookup(settings, played.db) as ask,
        pytest.raises(GateShut, match="rate"),
    ):
        ask(account, reference)


def test_failed_look_ups_open_the_breaker_for_every_process(played, booked, shared):
    account, reference, _ = booked
    away = tuple(
        msgspec.structs.replace(courier, endpoint="http://127.0.0.1:1/std/service")
        for courier in played.settings.couriers
    )
    settings = msgspec.structs.replace(played.settings, couriers=away, guard=Guard(open_s=600.0))
    shared.forget(account)
    rules = rules_of(settings.guard, Limit())
    with courier_lookup(settings, played.db) as ask:
        # Each process reports what it has heard with its next question.
        for _ in range(4 * settings.guard.failures_max):
            with pytest.raises((Transient, GateShut)):
                ask(account, reference)
            if shared.look([account], rules)[account].why == "open":
                break
    with courier_lookup(played.settings, played.db) as ask, pytest.raises(GateShut, match="open"):
        ask(account, reference)
