"""TOP's envelope: system parameters, their error codes, and the shape of answers.

Source: TOP open platform documentation, calling guide and global error codes. Every answer has HTTP
status 200; an error is an `error_response`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

import msgspec

from sandbox.signatures import same, top_sign

_CST = timezone(timedelta(hours=8))
_CLOCK_S = 600
_TIME_LENGTH = len("2025-06-01 12:00:00")


class TopError(Exception):
    """A call the platform refuses, with its code and sub-code."""

    def __init__(self, code: int, message: str, sub_code: str = "", sub_message: str = "") -> None:
        super().__init__(f"{code} {message} {sub_code}")
        self.code = code
        self.message = message
        self.sub_code = sub_code
        self.sub_message = sub_message


def missing(name: str) -> TopError:
    return TopError(40, "Missing Required Arguments", f"isv.missing-parameter:{name}", f"缺少参数{name}")


def invalid(name: str) -> TopError:
    return TopError(41, "Invalid Arguments", f"isv.invalid-parameter:{name}", f"参数{name}无效")


def business(sub_code: str, sub_message: str) -> TopError:
    return TopError(15, "Remote service error", sub_code, sub_message)


def over_limit(*, is_daily: bool, ban_s: int | None) -> TopError:
    """Too many calls of the application; only the text contains the length of the ban."""
    if is_daily:
        text = "The daily quota of this app is used up"
    else:
        text = "This ban will last for " + (f"{ban_s} more seconds" if ban_s else "a while")
    return TopError(7, "App Call Limited", "accesscontrol.limited-by-app-access-count", text)


def check_call(form: Mapping[str, str], app_key: str, app_secret: str, now: float) -> None:
    """Check every system parameter but the session. Raises TopError with the documented code."""
    _require(form, "method", 21, "Missing Method")
    _require(form, "app_key", 28, "Missing App Key")
    if form["app_key"] != app_key:
        raise TopError(29, "Invalid App Key", "isv.appkey-not-exists", "应用不存在")
    _require(form, "timestamp", 30, "Missing Timestamp")
    moment = parse_time(form["timestamp"])
    if moment is None or abs(moment - now) > _CLOCK_S:
        raise TopError(31, "Invalid Timestamp", "isv.invalid-timestamp", "非法的时间戳参数")
    _require(form, "v", 32, "Missing Version")
    if form["v"] != "2.0":
        raise TopError(34, "Unsupported Version")
    if form.get("format") != "json":
        raise TopError(23, "Invalid Format")
    _require(form, "sign", 24, "Missing Signature")
    try:
        expected = top_sign(form, app_secret.encode(), form.get("sign_method", "md5"))
    except ValueError:
        expected = ""
    if not expected or not same(expected, form["sign"]):
        raise TopError(25, "Invalid signature", "isv.invalid-signature", "无效签名")


def shop_of_session(form: Mapping[str, str], shops: Mapping[str, str]) -> str:
    """The shop whose session was sent. Raises TopError 26 or 27."""
    session = form.get("session", "")
    if not session:
        raise TopError(26, "Missing Session")
    if session not in shops:
        raise TopError(27, "Invalid session", "invalid-sessionkey", "sessionkey不存在或已过期")
    return shops[session]


@lru_cache(maxsize=4096)
def parse_time(text: str) -> int | None:
    """TOP's time text (CST) as unix seconds; None when it is not one."""
    if len(text) != _TIME_LENGTH or text[10] != " ":
        return None
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=_CST).astimezone(UTC).timestamp())
    except ValueError:
        return None


def answer(method: str, body: Mapping[str, object], request_id: str, *, simplify: bool) -> bytes:
    """The success envelope; `simplify` drops the outer object."""
    content = {**body, "request_id": request_id}
    if simplify:
        return msgspec.json.encode(content)
    name = method.removeprefix("taobao.").replace(".", "_") + "_response"
    return msgspec.json.encode({name: content})


def refusal(error: TopError, request_id: str) -> bytes:
    """The error envelope."""
    content: dict[str, object] = {"code": error.code, "msg": error.message}
    if error.sub_code:
        content |= {"sub_code": error.sub_code, "sub_msg": error.sub_message}
    return msgspec.json.encode({"error_response": {**content, "request_id": request_id}})


def _require(form: Mapping[str, str], name: str, code: int, message: str) -> None:
    if not form.get(name):
        raise TopError(code, message)
