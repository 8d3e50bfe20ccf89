"""What a warehouse that speaks the feed can do, read from its location's options."""

import re
from collections.abc import Mapping

from adapters.documents import Capabilities
from domain.errors import Misconfigured
from infra.config import settings

# What the protocol itself settles is no option: every feed has events and a count.
FLAGS: Mapping[str, bool] = {
    # A location of an earlier version learns of orders as it did, until its settings say otherwise.
    "takes_orders": False,
    "books_waybill": False,
    "splits": False,
    "can_stop": True,
    "can_find": True,
    "is_idempotent": True,
    "needs_receiver": False,
}
_WORDS = {"true": True, "false": False}
_FIND_LAG = "find_lag_s"
_FIND_LAG_MAX_S = 3600.0
_SECONDS = re.compile(r"[0-9]{1,4}(\.[0-9]{1,3})?", re.ASCII)


def read_capabilities(location: settings.Location) -> Capabilities:
    """The capabilities that the options of a location name. Without any it is told nothing, and is read.

    Raises Misconfigured: ``option_unknown``, ``option_invalid``, ``options_contradict``.
    """
    unknown = sorted(set(location.options) - {*FLAGS, _FIND_LAG})
    if unknown:
        known = ", ".join([*FLAGS, _FIND_LAG])
        raise _misconfigured(location, "option_unknown", unknown[0], f"known are: {known}")
    flags = {name: _flag(location, name, default) for name, default in FLAGS.items()}
    if not flags["takes_orders"]:
        for name in FLAGS:
            if name != "takes_orders" and location.options.get(name) == "true":
                raise _misconfigured(location, "options_contradict", name, "needs takes_orders")
        flags |= {"can_stop": False, "can_find": False}
    if flags["splits"] and not flags["books_waybill"]:
        raise _misconfigured(location, "options_contradict", "splits", "needs books_waybill")
    return Capabilities(**flags, find_lag_s=_find_lag_s(location))


def _flag(location: settings.Location, name: str, default: bool) -> bool:  # noqa: FBT001 - the value itself
    text = location.options.get(name)
    if text is None:
        return default
    if text not in _WORDS:
        raise _misconfigured(location, "option_invalid", name, "true or false")
    return _WORDS[text]


def _find_lag_s(location: settings.Location) -> float:
    text = location.options.get(_FIND_LAG, "0")
    if not _SECONDS.fullmatch(text) or float(text) > _FIND_LAG_MAX_S:
        raise _misconfigured(location, "option_invalid", _FIND_LAG, f"seconds from 0 to {_FIND_LAG_MAX_S:.0f}")
    return float(text)


def _misconfigured(location: settings.Location, code: str, option: str, message: str) -> Misconfigured:
    facts = {"account": location.account, "option": option}
    return Misconfigured(code, f"{location.account}, option {option}: {message}", facts)
