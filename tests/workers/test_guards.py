from datetime import UTC, datetime

from msgspec.structs import replace

from actors.tools import Tools
from adapters.guarded import GuardedCourier, GuardedNotifier, GuardedPlatform, GuardedWarehouse
from adapters.ports import Notice
from infra.accounts.rules import GateRules, rules_by_account
from infra.config.rules import load_rules
from infra.config.settings import Channel, CourierContract, Guard, Limit, Location, Sender, Settings, Shop
from infra.process.clock import SystemClock
from workers.guards import guarded

SENDER = Sender(contact="c", phone="1", province="p", city="c", district="d", detail="x")
SETTINGS = Settings(
    guard=Guard(failures_max=7, open_s=2.5),
    shops=(Shop(name="s1", platform="taobao", endpoint="http://a", credentials={}, limit=Limit(rate_per_s=2.5)),),
    couriers=(
        CourierContract(
            name="main", courier="sf", endpoint="http://a", credentials={}, limit=Limit(rate_per_s=10, burst=30)
        ),
    ),
    locations=(Location(name="east", endpoint="http://a", sender=SENDER, credentials={}),),
    channels=(Channel(name="buyers", kind="webhook", endpoint="http://a", credentials={}),),
)


class Port:
    """Any account."""

    is_idempotent = can_find = True
    find_lag_s = 0.0
    can_track, track_max = True, 10

    def __getattr__(self, name):
        async def answer(*_):
            return name

        return answer


class Asked:
    def __init__(self) -> None:
        self.accounts = []

    async def call(self, account, make, _about=None):
        self.accounts.append(account)
        return await make()


def test_every_account_has_rules_of_its_own():
    rules = rules_by_account(SETTINGS)
    assert rules["warehouse/east"] == rules["webhook/buyers"] == GateRules(failures_max=7, open_ms=2500)
    assert (rules["taobao/s1"].rate_milli, rules["taobao/s1"].burst) == (2500, 3), "one second's, rounded up"
    assert (rules["sf/main"].rate_milli, rules["sf/main"].burst) == (10_000, 30)


def test_the_questions_about_parcels_have_a_limit_of_their_own_where_there_are_any():
    asked = replace(SETTINGS.couriers[0], track_limit=Limit(rate_per_s=5))
    rules = rules_by_account(replace(SETTINGS, couriers=(asked,)))
    assert (rules["sf/main"].rate_milli, rules["sf/main/tracking"].rate_milli) == (10_000, 5_000)
    not_asked = replace(SETTINGS, couriers=(replace(asked, track=False),))
    assert "sf/main/tracking" not in rules_by_account(not_asked)


async def test_every_connected_account_stands_behind_its_own_gate():
    asked = Asked()
    tools = guarded(
        Tools(
            SETTINGS,
            None,
            None,
            SystemClock(),
            load_rules(),
            {"taobao/s1": Port()},
            {"sf/main": Port()},
            {"webhook/buyers": Port()},
            {"east": Port()},
        ),
        asked,
    )
    platform, courier = tools.platform("taobao/s1"), tools.courier("sf/main")
    notifier, warehouse = tools.notifier("webhook/buyers"), tools.warehouse("east")
    assert (type(platform), type(courier)) == (GuardedPlatform, GuardedCourier)
    assert (type(notifier), type(warehouse)) == (GuardedNotifier, GuardedWarehouse)
    await platform.fetch("1")
    await courier.find("r")
    await courier.track(())
    await notifier.notify(Notice("e", "package.shipped", datetime(2026, 11, 22, tzinfo=UTC), {}))
    await warehouse.stock()
    assert asked.accounts == ["taobao/s1", "sf/main", "sf/main/tracking", "webhook/buyers", "warehouse/east"]
