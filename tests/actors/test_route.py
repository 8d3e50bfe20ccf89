import msgspec
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


def of_two_contracts(merchant, **contracts):
    """A house with two accounts at one courier; `contracts` by location."""
    main = merchant.settings.couriers[0]
    settings = msgspec.structs.replace(
        merchant.settings,
        couriers=(main, msgspec.structs.replace(main, name="south")),
        locations=tuple(
            msgspec.structs.replace(location, contracts=contracts.get(location.name, ()))
            for location in merchant.settings.locations
        ),
    )
    house = type(merchant)(merchant.db, merchant.event_loop, settings, merchant.platform)
    house.tools.couriers["sf/south"] = type(merchant.courier)()
    return house


def booked_by(house):
    return {account: len(courier.bookings) for account, courier in house.tools.couriers.items()}


def test_a_location_ships_by_its_own_contract_and_the_package_keeps_it(merchant, trade):
    house = of_two_contracts(merchant, east=("sf/main",), west=("sf/south",))
    house.stock("west", **{"TEE-1": 5})
    house.deliver(trade())
    house.flow("route")
    assert house.rows("SELECT courier, account, location FROM package") == [("sf", "sf/south", "west")]
    assert house.rows("SELECT account FROM work WHERE step = 'label'") == [("sf/south",)]
    [[facts]] = house.rows("SELECT facts FROM event WHERE kind = 'route_moved'")
    assert facts["account"] == "sf/south"
    house.run("label")
    assert booked_by(house) == {"sf/main": 0, "sf/south": 1}


def test_a_package_keeps_its_contract_when_the_location_changes_to_another(merchant, trade):
    house = of_two_contracts(merchant, west=("sf/south",))
    house.stock("west", **{"TEE-1": 5})
    house.deliver(trade())
    house.flow("route")
    changed = of_two_contracts(house, west=("sf/main",))
    changed.run("label")
    assert booked_by(changed) == {"sf/main": 0, "sf/south": 1}
    assert changed.rows("SELECT account FROM package") == [("sf/south",)]


def test_each_part_of_a_split_order_goes_by_its_location_s_contract(merchant, trade):
    house = of_two_contracts(merchant, east=("sf/main",), west=("sf/south",))
    house.stock("east", **{"TEE-1": 1})
    house.stock("west", **{"CUP-1": 1})
    lines = [trade(tid=tid, sku=sku)["orders"]["order"][0] for tid, sku in (("9001", "TEE-1"), ("9002", "CUP-1"))]
    house.deliver(trade(payment="20.00", total_fee="20.00", orders={"order": lines}))
    house.flow("label")
    assert sorted(house.rows("SELECT location, account FROM package")) == [("east", "sf/main"), ("west", "sf/south")]
    assert booked_by(house) == {"sf/main": 1, "sf/south": 1}


def test_without_contracts_of_its_own_a_location_has_all_and_the_first_is_taken(merchant, trade):
    house = of_two_contracts(merchant)
    house.stock("west", **{"TEE-1": 5})
    house.deliver(trade())
    house.flow("route")
    assert house.rows("SELECT account FROM package") == [("sf/main",)]
