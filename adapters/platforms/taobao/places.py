"""Where a receiver lives, by the three fields in which TOP says it: country, province and city."""

from domain.regions import ABROAD, country_of

_HOME = frozenset({"", "cn", "chn", "china"})


def province_and_city(country: str, province: str, city: str) -> tuple[str, str]:
    """Both as TOP writes them of receivers at home. The province of an address in another country becomes the first
    part of the city.

    Where the province itself tells Hong Kong, Macao, Taiwan or abroad, the country adds nothing.
    """
    if _is_home(country) or country_of(province) != "CN":
        return province, city
    whole = " ".join(part for part in (province, city) if part)
    if country_of(country) != "CN":
        return country, whole
    return ABROAD, f"{country} {whole}"


def _is_home(country: str) -> bool:
    return country.casefold() in _HOME or (
        country.startswith(("中国", "中华人民共和国")) and country_of(country) == "CN"
    )
