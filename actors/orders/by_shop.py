"""Calls for a batch whose orders are of several shops: the shops run side by side."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypedDict, TypeVar

from actors.tools import Tools
from domain.order import Order
from infra.engine.remote import Lease


class _OfOrder(Protocol):
    @property
    def order(self) -> Order: ...


T = TypeVar("T", bound=_OfOrder)


class CallLimits(TypedDict):
    """The limits that `infra.engine.remote.call_each` takes."""

    at_once: int
    start_before: float
    now: Callable[[], float]
    is_draining: Callable[[], bool]


def call_limits(tools: Tools, lease: Lease, call_s: float) -> CallLimits:
    """Limits of a batch under a lease; `call_s`: the longest time of one subject's calls, in seconds."""
    return {
        "at_once": tools.settings.engine.outside_concurrency,
        "start_before": lease.ends_at - call_s,
        "now": tools.clock.monotonic,
        "is_draining": lease.is_draining,
    }


async def call_for_each_shop(
    intents: Sequence[T], call: Callable[[str, Sequence[T]], Awaitable[Mapping[int, Any]]]
) -> dict[int, Any]:
    """Answers of `call` (account of the shop, its intents) by subject id.

    A slow platform delays its own orders only.
    """
    by_shop: dict[str, list[T]] = {}
    for one in intents:
        by_shop.setdefault(one.order.key.account, []).append(one)
    parts = await asyncio.gather(*(call(shop, members) for shop, members in by_shop.items()))
    return {id_: answer for part in parts for id_, answer in part.items()}
