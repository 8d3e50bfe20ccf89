"""The limits of one account's gate."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from infra.config.directory import directory_of
from infra.config.settings import Guard, Limit, Settings


@dataclass(frozen=True, slots=True)
class GateRules:
    """Failures in a row that open the breaker, how long it stays open, how calls come back, and how many may be made.

    After closing, `2 ** n` calls may begin in the n-th span of `ramp_ms`, until that is `ramp_calls`.
    `rate_per_s` of 0 is no limit; `burst` is how many calls may have been saved up.
    """

    failures_max: int = 5
    open_ms: int = 10_000
    ramp_ms: int = 1_000
    ramp_calls: int = 64
    rate_per_s: float = 0.0
    burst: int = 0

    def __post_init__(self) -> None:
        if self.rate_per_s > 0 and self.burst < 1:
            raise ValueError("a rate needs a burst of at least one call")

    @property
    def rate_milli(self) -> int:
        """Thousandths of a call a second: whole numbers are the same in every language."""
        return round(self.rate_per_s * 1000)

    def encode(self) -> tuple[int, ...]:
        """The values as arguments of the scripts."""
        return (self.failures_max, self.open_ms, self.ramp_ms, self.ramp_calls, self.rate_milli, self.burst)


def rules_of(guard: Guard, limit: Limit) -> GateRules:
    """The limits that the settings give one account."""
    return GateRules(
        failures_max=guard.failures_max,
        open_ms=round(guard.open_s * 1000),
        ramp_ms=round(guard.ramp_s * 1000),
        ramp_calls=guard.ramp_calls,
        rate_per_s=limit.rate_per_s,
        burst=limit.burst or math.ceil(limit.rate_per_s),
    )


def rules_by_account(settings: Settings) -> Mapping[str, GateRules]:
    """What the settings say of every account. The tracking of a courier has a gate of its own, and
    so have the after-sale cases of a shop, with the shop's own limit.
    """
    directory = directory_of(settings)
    limits = {name: account.limit for name, account in directory.by_account.items()}
    limits |= {one.tracking_account: one.track_limit for one in directory.couriers.values() if one.track}
    limits |= {one.after_sale_account: one.limit for one in directory.shops.values()}
    return {name: rules_of(settings.guard, limit) for name, limit in limits.items()}
