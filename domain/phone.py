"""Whether a buyer can be notified by text message, and if not, why."""

import re
from dataclasses import dataclass

_COUNTRY_CODE = re.compile(r"^(?:\+|00)?86(?=1)", re.ASCII)
_MOBILE = re.compile(r"1[3-9][0-9]{9}", re.ASCII)
# Platforms write their own numbers as a mobile number with an extension.
_WITH_EXTENSION = re.compile(r"1[0-9]{10}[-,][0-9]{1,6}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Unreachable:
    """This buyer cannot be notified on this channel, and no repetition changes that. `reason` is stable snake_case."""

    reason: str


def mobile_of(phone: str, *, is_virtual: bool = False) -> str | Unreachable:
    """The eleven digits of a mainland mobile number, or the reason why no message can be sent.

    `is_virtual`: the number belongs to the platform, which forwards calls for a while. No platform promises to forward
    text messages.
    """
    number = _COUNTRY_CODE.sub("", phone.replace(" ", ""))
    if not number:
        return Unreachable("phone_absent")
    if "*" in number:
        return Unreachable("phone_hidden")
    if is_virtual or _WITH_EXTENSION.fullmatch(number):
        return Unreachable("phone_virtual")
    return number if _MOBILE.fullmatch(number) else Unreachable("phone_not_mobile")
