"""The courier's book of shipments. A reference keeps its shipments for ever, dead or alive."""

from dataclasses import dataclass

_FIRST_NUMBER = 1_400_000_000_000
# Neighbouring bookings do not get neighbouring numbers.
_STRIDE = 7_919


@dataclass(frozen=True, slots=True)
class Booked:
    """What the partner asked for. `location` is empty when the sender is none of ours.

    `document`: of a shipment that a warehouse booked, the document whose pieces it carries.
    """

    reference: str
    location: str
    origin: str
    destination: str
    receiver_mobile: str
    cargo: tuple[tuple[str, int], ...]
    document: str = ""

    def __repr__(self) -> str:
        return f"Booked({self.reference!r})"


@dataclass(slots=True)
class Waybill:
    """One shipment; times in unix seconds. `is_collected`: it left its warehouse; `collected_at`: when."""

    number: str
    booking: Booked
    created_at: float
    is_alive: bool = True
    is_collected: bool = False
    collected_at: float | None = None

    def collect(self, at: float) -> None:
        """The courier takes the parcel along."""
        self.is_collected, self.collected_at = True, at


class WaybillBook:
    """All shipments of the one account."""

    def __init__(self) -> None:
        self.by_number: dict[str, Waybill] = {}
        self._by_reference: dict[str, list[Waybill]] = {}

    def of_reference(self, reference: str) -> list[Waybill]:
        """Every shipment booked under the reference, oldest first."""
        return self._by_reference.get(reference, [])

    def book(self, booking: Booked, now: float) -> Waybill:
        """Make a shipment; whether the reference may have one is the caller's to decide."""
        number = f"SF{_FIRST_NUMBER + len(self.by_number) * _STRIDE:013d}"
        waybill = Waybill(number, booking, now)
        self.by_number[number] = waybill
        self._by_reference.setdefault(booking.reference, []).append(waybill)
        return waybill
