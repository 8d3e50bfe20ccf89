import pytest

from adapters import registry
from domain.errors import Misconfigured
from infra.config.secret import Secret
from infra.config.settings import Channel, CourierContract, Location, Sender, Settings, Shop

SENDER = Sender(contact="a", phone="1", province="p", city="c", district="d", detail="x")
SECRETS = {"secret": Secret("s")}


def test_adapters_are_found_by_name():
    assert registry.platform("taobao").name == "taobao"
    assert registry.courier("sf").name == "sf"
    assert registry.channel("webhook").name == "webhook"
    assert registry.warehouse().name == "feed"


@pytest.mark.parametrize("room", ["platform", "courier", "channel", "warehouse"])
def test_an_unknown_name_is_misconfigured(room):
    with pytest.raises(Misconfigured) as caught:
        getattr(registry, room)("pigeon")
    assert (caught.value.code, caught.value.facts) == (f"{room}_unknown", {"name": "pigeon"})


def settings(endpoint: str) -> Settings:
    return Settings(
        shops=(Shop(name="a", platform="taobao", endpoint=endpoint, credentials=SECRETS),),
        couriers=(CourierContract(name="a", courier="sf", endpoint="https://sf.example/std", credentials=SECRETS),),
        locations=(Location(name="a", endpoint="http://127.0.0.1:81/w", sender=SENDER, credentials=SECRETS),),
        channels=(Channel(name="a", kind="webhook", endpoint="https://erp.example:8443/", credentials=SECRETS),),
    )


def test_the_allow_list_is_every_configured_endpoint():
    assert registry.hosts(settings("https://eco.taobao.com/router/rest")) == {
        "eco.taobao.com:443",
        "sf.example:443",
        "127.0.0.1:81",
        "erp.example:8443",
    }


def test_an_endpoint_that_is_none_names_its_account():
    with pytest.raises(Misconfigured) as caught:
        registry.hosts(settings("eco.taobao.com"))
    assert caught.value.facts == {"account": "taobao/a"}
