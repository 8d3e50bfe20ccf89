"""A world without sockets: calls are signed like a partner's and answered at a time the test chooses."""

import json
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import msgspec
import pytest

from sandbox.control import pull
from sandbox.places import CHINESE_LOCATIONS
from sandbox.signatures import sf_digest, top_sign
from sandbox.spec import Dirt, Floor, Secrets, Spec
from sandbox.stream import plan
from sandbox.world import World

NOW = 1_790_000_000.0
FULLINFO = "taobao.trade.fullinfo.get"
SEND = "taobao.logistics.offline.send"


@pytest.fixture(scope="session")
def secrets():
    return Secrets(
        app_key="12345678",
        app_secret="helloworld",
        session_secret="sessions",
        sf_partner_id="PARTNER",
        sf_check_word="check-word",
        sf_monthly_card="7551234567",
        warehouse_secret="floor",
        webhook_secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        sms_secret_id="AKIDlever",
        sms_secret_key="texting",
        sms_app_id="1400000000",
        control_secret="lever",
    )


@pytest.fixture
def now():
    return NOW


@pytest.fixture
def spec(secrets) -> Spec:
    """Its warehouses take no orders: they learn of them from the labels."""
    untold = {place.name: Floor(learns_from="courier") for place in CHINESE_LOCATIONS}
    return Spec(seed=7, orders=300, shops=1, secrets=secrets, floors=untold)


@pytest.fixture
def clean_spec(spec) -> Spec:
    """Nothing but orders that must ship."""
    nothing = Dirt(presale_open=0, refund_asked=0, vague_address=0, short_stock=0, unpaid=0, closed=0)
    return msgspec.structs.replace(spec, dirt=nothing)


@pytest.fixture
def make_world() -> Callable[..., World]:
    def make(spec: Spec) -> World:
        world = World(spec, plan(spec), NOW)
        world.advance(NOW)
        return world

    return make


@pytest.fixture
def world(make_world, spec) -> World:
    return make_world(spec)


@pytest.fixture
def form_of(secrets):
    """A signed TOP form for a shop's session; keyword arguments replace or remove (None) parameters."""

    def form(method: str, shop: str = "shop-1", now: float = NOW, **params: str | None) -> dict[str, str]:
        whole = {
            "method": method,
            "app_key": secrets.app_key,
            "session": secrets.session_of(shop),
            "timestamp": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now + 8 * 3600)),
            "v": "2.0",
            "format": "json",
            "sign_method": "hmac-sha256",
        }
        whole |= params
        kept = {name: value for name, value in whole.items() if value is not None}
        if "sign" not in params:
            kept["sign"] = top_sign(kept, secrets.app_secret.encode(), "hmac-sha256")
        return kept

    return form


@pytest.fixture
def top(form_of):
    """Call the platform and decode its answer."""

    def call(world: World, method: str, shop: str = "shop-1", now: float = NOW, **params: str | None) -> Any:
        return json.loads(world.platform.answer(form_of(method, shop, now, **params), now))

    return call


@pytest.fixture
def sf_form(secrets):
    ids = count()

    def form(service: str, message: object, now: float = NOW, **params: str) -> dict[str, str]:
        text = message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)
        stamp = str(int(now))
        whole = {
            "partnerID": secrets.sf_partner_id,
            "requestID": f"request-{next(ids)}",
            "serviceCode": service,
            "timestamp": stamp,
            "msgData": text,
            "msgDigest": sf_digest(text, stamp, secrets.sf_check_word),
        }
        return whole | params

    return form


@pytest.fixture
def sf(sf_form):
    """Call the courier: the envelope, and the business result decoded."""

    def call(world: World, service: str, message: object, now: float = NOW, **params: str) -> tuple[Any, Any]:
        envelope = json.loads(world.courier.answer(sf_form(service, message, now, **params), now))
        data = envelope["apiResultData"]
        return envelope, json.loads(data) if data else None

    return call


@pytest.fixture
def booking(secrets):
    """A complete create request from the first location."""

    def make(world: World, reference: str = "REF-1-1", **changes: object) -> dict[str, Any]:
        location = world.plan.locations[0]
        sender = {
            "contactType": 1,
            "contact": location.contact,
            "mobile": location.phone,
            "country": "CN",
            "province": location.province,
            "city": location.city,
            "county": location.district,
            "address": location.detail,
        }
        receiver = {
            "contactType": 2,
            "contact": "李四",
            "mobile": "13900000002",
            "country": "CN",
            "province": "北京市",
            "city": "北京市",
            "county": "朝阳区",
            "address": "望京街道2号院",
        }
        whole: dict[str, Any] = {
            "language": "zh-CN",
            "orderId": reference,
            "cargoDetails": [{"name": "保温杯", "count": 2}],
            "contactInfoList": [sender, receiver],
            "monthlyCard": secrets.sf_monthly_card,
            "expressTypeId": 2,
            "isReturnRoutelabel": 1,
        }
        return whole | changes

    return make


@pytest.fixture
def to_ship():
    """The visible trades that must ship."""

    def choose(world: World) -> list[Any]:
        return [trade for trade in world.book.trades.values() if trade.order.expected == "ship"]

    return choose


@pytest.fixture
def send(top):
    """The sub-code of a refused write-back, empty when it was taken."""

    def write(
        world: World, tid: int, number: str = "SF1400000000000", company: str = "SF", at: float = NOW, **params: str
    ) -> str:
        answer = top(world, SEND, now=at, tid=str(tid), out_sid=number, company_code=company, **params)
        if "error_response" in answer:
            return str(answer["error_response"]["sub_code"])
        assert answer["logistics_offline_send_response"]["shipping"] == {"is_success": True}
        return ""

    return write


@pytest.fixture
def fullinfo(top):
    def read(world: World, tid: int, fields: str = "tid,status,orders", **params: str) -> Any:
        answer = top(world, FULLINFO, tid=str(tid), fields=fields, **params)
        return answer["trade_fullinfo_get_response"]["trade"]

    return read


@pytest.fixture
def do():
    """Pull a lever."""

    def command(world: World, at: float = NOW, **fields: object) -> dict[str, str]:
        return pull(world, json.dumps(fields).encode(), at)

    return command
