import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.regions import city_key, country_of, region_key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("新疆", "新疆维吾尔自治区"),
        ("广西壮族自治区", "广西"),
        ("内蒙古自治区", "内蒙古"),
        ("香港特别行政区", "香港"),
        ("浙江省", "浙江"),
        ("上海市", "上海"),
        (" New  York ", "new york"),
    ],
)
def test_one_region_under_two_names(one, other):
    assert region_key(one) == region_key(other)


def test_different_regions_stay_different():
    assert region_key("吉林省") != region_key("江西省")


@given(st.text(max_size=12))
def test_only_a_blank_name_has_no_key(name):
    assert bool(region_key(name)) == bool(name.split())


def test_a_suffix_alone_is_a_name():
    assert region_key("市") == "市"


@pytest.mark.parametrize("city", ["", "市辖区", "上海市", "浦东新区"])
def test_a_municipality_is_its_own_city(city):
    assert city_key("上海市", city) == "上海"


def test_elsewhere_the_city_counts():
    assert city_key("浙江省", "杭州市") == city_key("浙江", "杭州")
    assert city_key("浙江省", "宁波市") != city_key("浙江省", "杭州市")
    assert city_key("浙江省", "") == ""


@pytest.mark.parametrize(
    ("province", "country"),
    [
        ("香港特别行政区", "HK"),
        ("香港", "HK"),
        ("澳门特别行政区", "MO"),
        ("澳門特別行政區", "MO"),
        ("台湾省", "TW"),
        ("台湾", "TW"),
        ("臺灣", "TW"),
        ("中国香港", "HK"),
        ("中华人民共和国澳门特别行政区", "MO"),
        ("中国台湾省", "TW"),
        ("中国", "CN"),
        ("广东省", "CN"),
        ("", "CN"),
        ("海外", ""),
    ],
)
def test_a_province_stands_in_a_country_or_region(province, country):
    assert country_of(province) == country
