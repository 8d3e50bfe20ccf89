"""The envelope of Douyin's open platform: what every call must carry, and how answers look.

Source: the vendor's generated clients and public copies of its error tables. Every answer has HTTP status 200. The
platform does not say whether it signs the body as it came or writes it again with its names in order: here both must
hold.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

import msgspec

from sandbox.signatures import douyin_sign, same
from sandbox.spec import Secrets

_CST = timezone(timedelta(hours=8))
_CLOCK_S = 600
_VERSION = "2"
Json = dict[str, object]


class DopError(Exception):
    """A call the platform refuses, with its code and sub-code."""

    def __init__(self, code: int, sub_code: str, message: str = "") -> None:
        super().__init__(f"{code} {sub_code}")
        self.code = code
        self.sub_code = sub_code
        self.message = message


def business(tail: str, message: str) -> DopError:
    return DopError(50002, f"isv.business-failed:{tail}", message)


def invalid(tail: str, message: str) -> DopError:
    return DopError(40004, f"isv.parameter-invalid:{tail}", message)


def over_limit() -> DopError:
    """Too many calls; the answer names no time."""
    return DopError(60000, "isv.traffic-limited", "请求太频繁,请稍后重试")


def check_call(path: str, query: Mapping[str, str], body: bytes, secrets: Secrets, now: float) -> Json:
    """The parameters of a call. Raises DopError with the documented sub-code. The token is checked apart."""
    if not query.get("app_key"):
        raise DopError(40001, "isv.app-id-missing", "app_key不存在")
    if query["app_key"] != secrets.app_key:
        raise DopError(40003, "isv.app-id-invalid", "app_key格式不正确")
    if query.get("method") != path or query.get("v") != _VERSION:
        raise DopError(40003, "isv.parameter-invalid", "参数错误")
    moment = _moment(query.get("timestamp", ""))
    if moment is None:
        raise DopError(40003, "isv.timestamp-format-error", "时间戳格式错误")
    if abs(moment - now) > _CLOCK_S:
        raise DopError(40003, "isv.timestamp-invalid", "时间戳不合法")
    if not query.get("sign"):
        raise DopError(40001, "isv.signature-missing", "获取签名失败")
    try:
        params = msgspec.json.decode(body, type=Json)
        written_again = msgspec.json.encode(params, order="sorted")
        expected = douyin_sign(query, body.decode(), secrets.app_secret)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
        raise DopError(40003, "isv.parameter-format-invalid", "业务参数json解析失败") from None
    if written_again != body or not same(expected, query["sign"]):
        raise DopError(40003, "isv.signature-invalid", "签名校验失败")
    return params


def shop_of_token(query: Mapping[str, str], shops: Mapping[str, str]) -> str:
    """The shop whose access token was sent. Raises DopError."""
    token = query.get("access_token", "")
    if not token:
        raise DopError(40001, "isv.access-token-missing", "access_token不能为空")
    if token not in shops:
        raise DopError(40003, "isv.access-token-expired", "access_token已过期")
    return shops[token]


def answer(data: Json, log_id: str) -> bytes:
    """The envelope of a success."""
    return msgspec.json.encode(
        {"code": 10000, "msg": "success", "sub_code": "", "sub_msg": "", "data": data, "log_id": log_id}
    )


def refusal(error: DopError, log_id: str) -> bytes:
    """The envelope of an error."""
    return msgspec.json.encode(
        {
            "code": error.code,
            "msg": error.message,
            "sub_code": error.sub_code,
            "sub_msg": error.message,
            "log_id": log_id,
        }
    )


def whole(params: Json, name: str, usual: int | None = None) -> int:
    """A whole number of a call. Raises DopError."""
    value = params.get(name, usual)
    if not isinstance(value, int) or isinstance(value, bool):
        raise invalid("11000", f"参数{name}无效")
    return value


def text(params: Mapping[str, object], name: str, tail: str = "11000") -> str:
    """A required text of a call. Raises DopError."""
    value = params.get(name)
    if not isinstance(value, str) or not value:
        raise invalid(tail, f"参数{name}无效")
    return value


def rows(params: Mapping[str, object], name: str, tail: str = "11000") -> list[Json]:
    """A required list of objects of a call. Raises DopError."""
    value = params.get(name)
    if not isinstance(value, list) or not value or not all(isinstance(row, dict) for row in value):
        raise invalid(tail, f"参数{name}无效")
    return value


def _moment(stamp: str) -> float | None:
    """Unix seconds, or the time text of China."""
    if stamp.isascii() and stamp.isdigit():
        return float(stamp)
    try:
        return datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S").replace(tzinfo=_CST).timestamp()
    except ValueError:
        return None
