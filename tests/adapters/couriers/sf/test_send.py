import base64
import hashlib
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from adapters.couriers.sf.describe import SEARCH
from adapters.couriers.sf.send import build_call, connect
from adapters.couriers.sf.sign import sign
from domain.errors import Misconfigured


def test_the_variant_without_encoding_is_an_option(account):
    plain = base64.b64encode(hashlib.md5(b"{~}1000W").digest()).decode()  # noqa: S324 - the vendor's protocol
    assert sign("{~}", "1000", "W", without_url_encoding=True) == plain
    now = datetime(2026, 11, 22, tzinfo=UTC).timestamp()
    default = build_call(account(), SEARCH, "{~}", "id", now, is_idempotent=True)
    bare = build_call(account(sign_without_url_encoding="true"), SEARCH, "{~}", "id", now, is_idempotent=True)
    assert default.body != bare.body


async def test_wrong_options_are_found_when_connecting(account, open_door, clock):
    door = await open_door()
    for options in ({"service": "pigeon"}, {"pay_method": "9"}):
        with pytest.raises(Misconfigured):
            connect(account(**options), door, clock)


async def test_a_contract_that_may_not_ask_is_not_asked_about_parcels(account, open_door, clock):
    door = await open_door()
    assert connect(account(), door, clock).can_track
    assert not connect(replace(account(), track=False), door, clock).can_track
