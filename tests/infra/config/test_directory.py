import pytest

from domain.errors import Misconfigured
from infra.config.directory import directory_of
from infra.config.settings import Channel, CourierContract, Location, Sender, Settings, Shop


def shop(platform, name):
    return Shop(name=name, platform=platform, endpoint="http://platform", credentials={})


def courier(kind, name):
    return CourierContract(name=name, courier=kind, endpoint="http://courier", credentials={})


def location(name, city, contracts=()):
    sender = Sender(contact="仓库", phone="02112345678", province="上海", city=city, district="嘉定区", detail="1号")
    return Location(name=name, endpoint="http://warehouse", credentials={}, sender=sender, contracts=contracts)


DIRECTORY = directory_of(
    Settings(
        shops=(shop("taobao", "tea"), shop("douyin", "tea"), shop("douyin", "cups")),
        couriers=(courier("sf", "main"), courier("yto", "main"), courier("sf", "second")),
        locations=(location("jiading", "上海市"), location("baiyun", "广州市", ("sf/second", "yto/main"))),
        channels=(Channel(name="buyers", kind="webhook", endpoint="http://buyers", credentials={}),),
    )
)


def test_every_account_is_found_by_its_name():
    assert list(DIRECTORY.by_account) == [
        "taobao/tea",
        "douyin/tea",
        "douyin/cups",
        "sf/main",
        "yto/main",
        "sf/second",
        "warehouse/jiading",
        "warehouse/baiyun",
        "webhook/buyers",
    ]
    assert all(DIRECTORY.account(name).account == name for name in DIRECTORY.by_account)


def test_a_shop_is_found_by_account_and_by_platform_and_name():
    assert DIRECTORY.shop("douyin/tea") is DIRECTORY.shop_of("douyin", "tea")
    assert DIRECTORY.shop("douyin/tea").platform == "douyin"


@pytest.mark.parametrize(
    ("name", "accounts"),
    [
        ("tea", ["taobao/tea", "douyin/tea"]),
        ("cups", ["douyin/cups"]),
        ("douyin/tea", ["douyin/tea"]),
        ("plates", []),
    ],
)
def test_a_name_may_mean_shops_of_several_platforms(name, accounts):
    assert [one.account for one in DIRECTORY.shops_named(name)] == accounts


def test_a_location_has_its_contracts_the_preferred_one_first():
    assert DIRECTORY.courier_names == ("sf", "yto")
    assert [one.account for one in DIRECTORY.contracts_at("baiyun")] == ["sf/second", "yto/main"]


def test_a_location_that_names_no_contract_has_all():
    assert [one.account for one in DIRECTORY.contracts_at("jiading")] == ["sf/main", "yto/main", "sf/second"]


def test_the_cities_of_the_senders_are_known():
    assert DIRECTORY.location("baiyun").sender.city == "广州市"
    assert DIRECTORY.sender_cities == ("上海市", "广州市")


@pytest.mark.parametrize(
    ("look_up", "code", "facts"),
    [
        (lambda: DIRECTORY.account("sf/third"), "account_unknown", {"account": "sf/third"}),
        (lambda: DIRECTORY.shop("sf/main"), "account_unknown", {"account": "sf/main"}),
        (lambda: DIRECTORY.shop_of("jd", "tea"), "account_unknown", {"account": "jd/tea"}),
        (lambda: DIRECTORY.location("pudong"), "location_unknown", {"location": "pudong"}),
        (lambda: DIRECTORY.contracts_at("pudong"), "location_unknown", {"location": "pudong"}),
    ],
)
def test_what_is_not_configured_is_a_typed_error(look_up, code, facts):
    with pytest.raises(Misconfigured) as caught:
        look_up()
    assert (caught.value.code, caught.value.facts) == (code, facts)
