import pytest

from domain.states import Step


def test_the_nearest_location_ships_and_the_reason_is_stored(merchant, trade):
    merchant.stock("east", **{"TEE-1": 5})
    merchant.stock("west", **{"TEE-1": 50})
    merchant.deliver(trade(pieces=2))
    merchant.flow(Step.ROUTE)
    assert merchant.rows("SELECT state, location, reservation FROM fulfillment_order") == [
        ("allocated", "east", "allocated")
    ]
    assert merchant.rows("SELECT number, courier, account, location FROM package") == [(1, "sf", "sf/main", "east")]
    assert merchant.counters() == (55, 0, 2)
    assert merchant.rows("SELECT location, allocated FROM stock_location ORDER BY 1") == [("east", 2), ("west", 0)]
    [[facts]] = merchant.rows("SELECT facts FROM event WHERE kind = 'route_moved'")
    assert (facts["location"], facts["courier"]) == ("east", "sf")
    assert "same city" in facts["reasons"][0]


def test_one_batch_spends_each_piece_once(merchant, trade):
    merchant.stock("east", **{"TEE-1": 3})
    merchant.stock("west", **{"TEE-1": 3})
    merchant.deliver(*(trade(pieces=2) for _ in range(3)))
    merchant.flow(Step.ROUTE)
    assert sorted(merchant.rows("SELECT location FROM package")) == [("east",), ("west",)]
    assert sorted(merchant.states()) == ["allocated", "allocated", "on_hold"]
    assert merchant.rows("SELECT code, facts->>'split_needed' FROM hold") == [("stock_short_paid", "true")]
    assert merchant.counters() == (6, 2, 4)


def test_what_lost_its_promise_since_the_approval_is_held(merchant, trade):
    merchant.stock(**{"TEE-1": 3})
    merchant.deliver(trade())
    merchant.flow(Step.REVIEW)
    merchant.rows("UPDATE reservation SET status = 'released'")
    merchant.run(Step.ROUTE)
    assert (merchant.states(), merchant.holds()) == (["on_hold"], ["stock_conflict"])
    assert merchant.rows("SELECT * FROM package") == []


@pytest.mark.parametrize("state", ["paid", "closed", "allocated"])
def test_only_an_approved_order_is_routed(merchant, trade, state):
    merchant.stock(**{"TEE-1": 3})
    merchant.deliver(trade())
    merchant.flow(Step.REVIEW)
    merchant.rows(
        """UPDATE fulfillment_order SET state = %s, finished_at = CASE WHEN %s = 'closed' THEN now() END,
               closed_reason = CASE WHEN %s = 'closed' THEN 'x' END""",
        *(state, state, state),
    )
    merchant.run(Step.ROUTE)
    assert merchant.rows("SELECT * FROM package") == []
    assert merchant.due(Step.ROUTE) == []
