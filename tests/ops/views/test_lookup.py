import msgspec
import pytest

from domain.errors import Misconfigured, Transient
from ops.views.lookup import courier_lookup


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
    with courier_lookup(played.settings) as ask:
        assert ask(account, reference) == waybill
        assert ask(account, f"{'A' * 20}-1-1") is None


def test_an_account_that_is_not_configured_cannot_be_asked(played, booked):
    with courier_lookup(played.settings) as ask, pytest.raises(Misconfigured, match="account_unknown"):
        ask("sf/gone", booked[1])


def test_a_courier_that_is_away_is_an_error_of_ours(played, booked):
    away = tuple(
        msgspec.structs.replace(courier, endpoint="http://127.0.0.1:1/std/service")
        for courier in played.settings.couriers
    )
    settings = msgspec.structs.replace(played.settings, couriers=away)
    with courier_lookup(settings) as ask, pytest.raises(Transient):
        ask(booked[0], booked[1])
