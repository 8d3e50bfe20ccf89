import pytest
from structlog.testing import capture_logs

from actors import route


def test_the_nearest_location_ships_and_the_reason_is_stored(merchant, trade):
    merchant.stock("east", **{"TEE-1": 5})
    merchant.stock("west", **{"TEE-1": 50})
    merchant.deliver(trade(pieces=2))
    merchant.flow("route")
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
    merchant.flow("route")
    assert sorted(merchant.rows("SELECT location FROM package")) == [("east",), ("west",)]
    assert sorted(merchant.states()) == ["allocated", "allocated", "on_hold"]
    assert merchant.rows("SELECT code, facts->>'split_needed' FROM hold") == [("stock_short_paid", "true")]
    assert merchant.counters() == (6, 2, 4)


def test_what_lost_its_promise_since_the_approval_is_held(merchant, trade):
    merchant.stock(**{"TEE-1": 3})
    merchant.deliver(trade())
    merchant.flow("review")
    merchant.rows("UPDATE reservation SET status = 'released'")
    merchant.run("route")
    assert (merchant.states(), merchant.holds()) == (["on_hold"], ["stock_conflict"])
    assert merchant.rows("SELECT * FROM package") == []


@pytest.mark.parametrize("state", ["paid", "closed", "allocated"])
def test_only_an_approved_order_is_routed(merchant, trade, state):
    merchant.stock(**{"TEE-1": 3})
    merchant.deliver(trade())
    merchant.flow("review")
    merchant.rows(
        """UPDATE fulfillment_order SET state = %s, finished_at = CASE WHEN %s = 'closed' THEN now() END,
               closed_reason = CASE WHEN %s = 'closed' THEN 'x' END""",
        *(state, state, state),
    )
    merchant.run("route")
    assert merchant.rows("SELECT * FROM package") == []
    assert merchant.due("route") == []


@pytest.fixture
def after_the_first_choice(monkeypatch):
    """Do something when locations were chosen by what was there without a lock, as another worker would."""

    def arrange(act):
        locked = route.lock_location_levels

        def act_and_lock(tx, skus):
            act()
            return locked(tx, skus)

        monkeypatch.setattr(route, "lock_location_levels", act_and_lock)

    return arrange


def test_what_somebody_else_took_meanwhile_is_chosen_anew(merchant, trade, after_the_first_choice):
    merchant.stock("east", **{"TEE-1": 5})
    merchant.stock("west", **{"TEE-1": 5})
    merchant.deliver(trade(pieces=2))
    merchant.flow("review")
    after_the_first_choice(
        lambda: merchant.rows("UPDATE stock_location SET allocated = 4 WHERE location = 'east' AND sku = 'TEE-1'")
    )
    merchant.run("route")
    assert merchant.rows("SELECT location FROM package") == [("west",)]
    assert merchant.rows("SELECT location, allocated FROM stock_location ORDER BY 1") == [("east", 4), ("west", 2)]
    [[facts]] = merchant.rows("SELECT facts FROM event WHERE kind = 'route_moved'")
    assert facts["location"] == "west", "the reasons are those of the choice that holds"


def test_nobody_is_held_for_want_of_what_somebody_else_gave_back_meanwhile(merchant, trade, after_the_first_choice):
    merchant.stock("east", **{"TEE-1": 5})
    merchant.deliver(trade(pieces=2))
    merchant.flow("review")
    merchant.rows("UPDATE stock_location SET allocated = 4 WHERE sku = 'TEE-1'")
    after_the_first_choice(lambda: merchant.rows("UPDATE stock_location SET allocated = 0 WHERE sku = 'TEE-1'"))
    merchant.run("route")
    assert merchant.rows("SELECT location FROM package") == [("east",)]
    assert merchant.states() == ["allocated"]


def test_control_the_first_choice_alone_meets_the_constraint_of_the_table(
    merchant, trade, after_the_first_choice, monkeypatch
):
    merchant.stock("east", **{"TEE-1": 5})
    merchant.stock("west", **{"TEE-1": 5})
    merchant.deliver(trade(pieces=2))
    merchant.flow("review")
    monkeypatch.setattr(route, "covers", lambda *_: True)
    after_the_first_choice(
        lambda: merchant.rows("UPDATE stock_location SET allocated = 4 WHERE location = 'east' AND sku = 'TEE-1'")
    )
    with capture_logs() as logs:
        merchant.run("route")
    assert [entry["error"] for entry in logs if entry["event"] == "batch_failed"] == ["CheckViolation"]


def test_choosing_holds_no_lock(merchant, trade, monkeypatch):
    merchant.stock("east", **{"TEE-1": 5})
    merchant.deliver(trade(pieces=2))
    merchant.flow("review")
    waited = []
    choose = route.choose

    def choose_beside_others(*args, **kwargs):
        waited.append(merchant.rows("SELECT sku FROM stock_pool FOR UPDATE NOWAIT"))
        return choose(*args, **kwargs)

    monkeypatch.setattr(route, "choose", choose_beside_others)
    merchant.run("route")
    assert waited == [[("TEE-1",)]]
    assert merchant.states() == ["allocated"]
