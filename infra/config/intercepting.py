"""How often couriers are asked about parcels that should come back."""

from typing import Annotated

import msgspec

from domain.interception import InterceptPace


class InterceptTiming(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often a courier is asked to intercept a parcel.

    Again every `retry_s` while the courier does not take it, and what became of it every `result_s` where it can be
    asked. In between the events of the parcel are looked at every `look_s`.
    """

    retry_s: Annotated[float, msgspec.Meta(gt=0)] = 1_800.0
    result_s: Annotated[float, msgspec.Meta(gt=0)] = 1_800.0
    look_s: Annotated[float, msgspec.Meta(gt=0)] = 600.0

    @property
    def pace(self) -> InterceptPace:
        return InterceptPace(self.retry_s, self.result_s, self.look_s)
