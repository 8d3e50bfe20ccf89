"""The benchmark of tracking plants parcels that are due, and looks at each of them once."""

import pytest

from benchmarks.tracking.__main__ import catch_up, plant
from infra.config.secret import Secret
from infra.servers import Connection

PARCELS = 120


@pytest.fixture
def planted(database, database_url):
    stores = Connection(database_url, Secret(""), embedded=True)
    plant(stores, PARCELS)
    return stores


def test_every_parcel_is_seen_once_and_nearly_ten_share_a_call(planted, database):
    figures = catch_up(planted, PARCELS)
    assert (figures["seen"], figures["left"]) == (PARCELS, 0)
    assert 0.1 <= figures["calls_per_parcel"] < 0.15
    with database.connection() as session:
        states = session.execute("SELECT state, count(*) FROM fulfillment_order GROUP BY state").fetchall()
        ahead = session.execute("SELECT bool_and(due_at > now()) FROM work").fetchone()
    assert (states, ahead) == ([("in_transit", PARCELS)], (True,))
    assert figures["parcels_per_s"] > 0
    assert figures["statements_per_parcel"] < 1
