"""Decrypted receivers, requested from their platform for one purpose: kept in memory only, never stored."""

from collections.abc import Callable, Mapping

from actors.tools import Tools
from adapters.ports import Purpose
from domain.errors import Malformed
from domain.order import Address
from infra.engine.remote import NotCalledError

_AT_ONCE = 20


async def reveal(
    tools: Tools, shop: str, tokens: Mapping[str, str], purpose: Purpose, is_draining: Callable[[], bool]
) -> dict[str, Address | Exception]:
    """Platform order id -> merge token in, receiver or the reason why there is none out. Never raises.

    A process that drains requests no further receiver: the reason is then NotCalledError.
    """
    receivers: dict[str, Address | Exception] = {}
    asked = list(tokens.items())
    for start in range(0, len(asked), _AT_ONCE):
        some = dict(asked[start : start + _AT_ONCE])
        receivers |= (
            dict.fromkeys(some, NotCalledError()) if is_draining() else await _reveal_some(tools, shop, some, purpose)
        )
    return receivers


async def _reveal_some(
    tools: Tools, shop: str, tokens: Mapping[str, str], purpose: Purpose
) -> dict[str, Address | Exception]:
    try:
        revealed = await tools.platform(shop).reveal(tokens, purpose)
    except Exception as error:  # noqa: BLE001 - these members' attempt failed, whatever it was; no other's did
        return dict.fromkeys(tokens, error)
    missing = Malformed("receiver_missing", "the platform left out a receiver")
    return {id_: revealed.get(id_, missing) for id_ in tokens}
