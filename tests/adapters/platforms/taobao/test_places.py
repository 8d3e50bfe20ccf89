"""In which country or region a receiver lives, by what TOP says in three fields."""

import json

import pytest

from adapters.platforms.taobao.answers import read_decrypted
from domain.regions import country_of

PLACES = [
    ("", "广东省", "深圳市", ("广东省", "深圳市")),
    ("中国", "广东省", "深圳市", ("广东省", "深圳市")),
    ("中国大陆", "广东省", "深圳市", ("广东省", "深圳市")),
    ("CN", "广东省", "深圳市", ("广东省", "深圳市")),
    ("中国", "香港特别行政区", "九龙", ("香港特别行政区", "九龙")),
    ("中国香港", "九龙", "油尖旺区", ("中国香港", "九龙 油尖旺区")),
    ("日本", "海外", "海外", ("海外", "海外")),
    ("日本", "东京都", "新宿区", ("海外", "日本 东京都 新宿区")),
    ("日本", "东京都", "", ("海外", "日本 东京都")),
]


@pytest.mark.parametrize(("country", "state", "city", "expected"), PLACES)
def test_a_receiver_lives_where_the_fields_say_together(read, country, state, city, expected):
    receiver = read(receiver_country=country, receiver_state=state, receiver_city=city).receiver
    assert (receiver.province, receiver.city) == expected


@pytest.mark.parametrize(("country", "state", "city", "expected"), PLACES)
def test_a_decrypted_one_too(country, state, city, expected):
    row = {"tid": "1", "matched": True, "name": "甲", "mobile": "1", "address_detail": "x"}
    row |= {"country": country, "state": state, "city": city}
    receiver = read_decrypted(json.dumps({"receiver_list": [row]}).encode(), {"1": "oaid"})["1"]
    assert (receiver.province, receiver.city) == expected


def test_what_a_country_alone_says_is_not_lost(read):
    assert country_of(read(receiver_country="日本", receiver_state="东京都").receiver.province) == ""
    assert country_of(read(receiver_country="中国香港", receiver_state="九龙").receiver.province) == "HK"
