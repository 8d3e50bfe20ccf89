"""The envelope of Pinduoduo's open platform: what every call must carry, and how answers look.

Source: the vendor's signing guide and interface pages, and a public client's list of errors. Every answer has HTTP
status 200. Which number answers a missing parameter is not published: 10001 here, and 10000 for an unreadable call.
"""

from collections.abc import Mapping

import msgspec

from sandbox.signatures import pdd_sign, same
from sandbox.spec import Secrets

_CLOCK_S = 600
Json = dict[str, object]
Params = Mapping[str, str]


class PopError(Exception):
    """A call the platform refuses, with its number and sub-code."""

    def __init__(self, code: int, message: str, sub_code: str = "") -> None:
        super().__init__(f"{code} {message} {sub_code}")
        self.code = code
        self.message = message
        self.sub_code = sub_code


def business(message: str, sub_code: str = "") -> PopError:
    """Refused by a rule of the trade. The platform says which one in its text alone."""
    return PopError(50001, message, sub_code)


def invalid(name: str) -> PopError:
    return PopError(10001, f"参数{name}错误")


def over_limit() -> PopError:
    """Too many calls; the answer names no time."""
    return PopError(70031, "调用过于频繁，请调整调用频率")


def check_call(form: Params, secrets: Secrets, now: float) -> None:
    """Check every system parameter but the token. Raises PopError."""
    if form.get("client_id") != secrets.app_key:
        raise PopError(10002, "client_id不合法")
    if form.get("data_type", "JSON") != "JSON" or form.get("version", "V1") != "V1":
        raise PopError(10000, "参数错误")
    stamp = form.get("timestamp", "")
    if not (stamp.isascii() and stamp.isdigit()) or abs(int(stamp) - now) > _CLOCK_S:
        raise PopError(10000, "timestamp不合法")
    if any(not value for value in form.values()):
        # How an empty parameter is signed is not published, so none may come.
        raise PopError(10000, "参数为空")
    if not same(pdd_sign(form, secrets.app_secret), form.get("sign", "")):
        raise PopError(20004, "签名sign校验失败")


def shop_of_token(form: Params, shops: Mapping[str, str]) -> str:
    """The shop whose access token was sent. Raises PopError."""
    token = form.get("access_token", "")
    if token not in shops:
        raise PopError(10019, "access_token已过期")
    return shops[token]


def answer(envelope: str, content: Json, request_id: str) -> bytes:
    """A success. Without `envelope` its content stands bare, as the platform's page of one case shows it."""
    shown = {**content, "request_id": request_id}
    return msgspec.json.encode({envelope: shown} if envelope else shown)


def refusal(error: PopError, request_id: str) -> bytes:
    """The envelope of an error."""
    told = {
        "error_code": error.code,
        "error_msg": "业务服务错误" if error.sub_code else error.message,
        "sub_code": error.sub_code or None,
        "sub_msg": error.message,
        "request_id": request_id,
    }
    return msgspec.json.encode({"error_response": told})


def whole(params: Params, name: str, usual: int | None = None) -> int:
    """A whole number of a call. Raises PopError."""
    text = params.get(name, "" if usual is None else str(usual))
    if not (text.isascii() and text.isdigit()):
        raise invalid(name)
    return int(text)


def text(params: Params, name: str) -> str:
    """A required text of a call. Raises PopError."""
    value = params.get(name, "")
    if not value:
        raise invalid(name)
    return value


def rows(params: Params, name: str) -> list[Json]:
    """A required list of objects of a call, as JSON text. Raises PopError."""
    try:
        found = msgspec.json.decode(text(params, name), type=list[Json])
    except msgspec.DecodeError:
        raise invalid(name) from None
    if not found:
        raise invalid(name)
    return found
