"""Watches the orders of a life: no state goes backward, and none is completed before its day has passed."""

from typing import Any

from domain.states import RANK, State
from tests.flows.life.outside import DAY_S, Parcels

# From here on goods have moved: nothing but a hold, or the order's end, follows but a later state.
_MOVED = frozenset({State.PACKED, State.IN_TRANSIT, State.DELIVERED, State.COMPLETED})
_ASIDE = frozenset({State.ON_HOLD, State.CLOSED})
STATES = """
SELECT f.id, f.state, EXISTS (SELECT FROM placement AS l WHERE l.fulfillment_order_id = f.id
                              AND l.status IN ('refused', 'stopped'))
FROM fulfillment_order AS f ORDER BY f.id
"""
NUMBERS = """
SELECT s.waybill FROM package AS p JOIN shipment AS s ON s.package_id = p.id AND s.status = 'booked'
WHERE p.fulfillment_order_id = %s AND p.cancelled_at IS NULL AND p.handed_over_at IS NOT NULL
"""


class Seen:
    """Remembers the states of all fulfillment orders. `wrongs`: what must never be."""

    def __init__(self, house: Any, parcels: Parcels) -> None:
        self.house = house
        self.parcels = parcels
        self.states: dict[int, State] = {}
        self.wrongs: list[str] = []

    def look(self, at: float) -> None:
        """After every step of ours; `at`: the time for that step (unix seconds)."""
        for id_, text, was_given_back in self.house.rows(STATES):
            now = State(text)
            before = self.states.get(id_)
            if now is State.COMPLETED and before is not State.COMPLETED:
                self._see_completion(id_, at)
            if now in _ASIDE and before is not None:
                continue
            if before is not None and RANK[now] < RANK[before] and self._is_backward(before, was_given_back):
                self.wrongs.append(f"fulfillment order {id_}: {before} and then {now}")
            self.states[id_] = now

    def not_completed(self) -> list[tuple[int]]:
        """Orders of which all was signed for long ago, that nobody has before them, and that are not completed."""
        return self.house.rows(
            "SELECT f.id FROM fulfillment_order AS f WHERE f.state = 'delivered' "
            "AND NOT EXISTS (SELECT FROM order_case AS c WHERE c.order_id = f.order_id AND c.closed_at IS NULL)"
        )

    def reached(self) -> set[str]:
        """Ends that this life has reached: of documents, orders and parcels."""
        documents = {f"document {document.state}" for _, document in self.house.floors.documents()}
        ends = "SELECT 'order ' || state FROM fulfillment_order UNION SELECT 'case ' || kind FROM order_case "
        placed = "UNION SELECT 'placement ' || status FROM placement UNION SELECT 'hold ' || code FROM hold"
        return documents | {row[0] for row in self.house.rows(ends + placed)}

    def _is_backward(self, before: State, was_given_back: bool) -> bool:  # noqa: FBT001 - a row's column
        """An order that a warehouse has given back is routed again, and one of an earlier state by a person."""
        return before in _MOVED or (before is State.IN_WAREHOUSE and not was_given_back)

    def _see_completion(self, id_: int, now: float) -> None:
        numbers = [row[0] for row in self.house.rows(NUMBERS, id_)]
        signed = [self.parcels.signed_at(number) for number in numbers]
        if not signed or any(at is None or now - at < DAY_S for at in signed):
            self.wrongs.append(f"fulfillment order {id_}: completed, and its parcels were signed for at {signed}")
