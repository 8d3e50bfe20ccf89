"""Settings of how parcels are followed that have left."""

from typing import Annotated

import msgspec

from domain.tracking import Pace


class Tracking(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often couriers are asked about parcels that have left.

    The first time `first_s` after the hand-over, then every `moving_s` while a parcel moves, every `near_s` while it is
    out for delivery, and every `slow_s` when it is older than `slow_after_h` or waits in a locker. A parcel that was
    handed over `give_up_days` ago and was not signed becomes a case, and nobody asks about it any more. `at_once`:
    calls of one batch that run at the same time.
    """

    first_s: Annotated[float, msgspec.Meta(ge=0)] = 1_800.0
    moving_s: Annotated[float, msgspec.Meta(gt=0)] = 3_600.0
    near_s: Annotated[float, msgspec.Meta(gt=0)] = 1_800.0
    slow_after_h: Annotated[float, msgspec.Meta(gt=0)] = 72.0
    slow_s: Annotated[float, msgspec.Meta(gt=0)] = 10_800.0
    give_up_days: Annotated[float, msgspec.Meta(gt=0)] = 30.0
    at_once: Annotated[int, msgspec.Meta(ge=1)] = 2

    @property
    def pace(self) -> Pace:
        return Pace(
            first_s=self.first_s,
            moving_s=self.moving_s,
            near_s=self.near_s,
            slow_after_s=self.slow_after_h * 3_600,
            slow_s=self.slow_s,
            give_up_s=self.give_up_days * 86_400,
        )
