"""Names of provinces and cities, comparable across platforms that write them differently."""

# Longest first: 新疆维吾尔自治区, 新疆 and 新疆省 are one province, 杭州市 and 杭州 one city.
_SUFFIXES = ("维吾尔自治区", "壮族自治区", "回族自治区", "特别行政区", "特別行政區", "自治区", "省", "市")
_BEYOND_MAINLAND = {
    "香港": "HK",
    **dict.fromkeys(("澳门", "澳門"), "MO"),
    **dict.fromkeys(("台湾", "台灣", "臺灣"), "TW"),
}
ABROAD = "海外"
"""What platforms write instead of a province where the receiver lives in another country."""
_ABROAD = frozenset({ABROAD, "国外", "境外"})
_CHINA = ("中华人民共和国", "中国")
_MUNICIPALITIES = frozenset({"北京", "上海", "天津", "重庆"})


def region_key(name: str) -> str:
    """The name without spaces, case and administrative suffix; empty for an empty name."""
    key = "".join(name.split()).casefold()
    for suffix in _SUFFIXES:
        if key.endswith(suffix) and key != suffix:
            return key.removesuffix(suffix)
    return key


def city_key(province: str, city: str) -> str:
    """Comparable city. In a municipality it is the province: platforms put a district, 市辖区 or nothing there."""
    province_key = region_key(province)
    return province_key if province_key in _MUNICIPALITIES else region_key(city)


def country_of(province: str) -> str:
    """The ISO 3166 code of the province's country or region; empty for what platforms write of a receiver abroad."""
    key = region_key(province)
    for prefix in _CHINA:
        key = key.removeprefix(prefix)
    return "" if key in _ABROAD else _BEYOND_MAINLAND.get(key, "CN")
