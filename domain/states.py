"""The twelve states of a fulfillment order, and the moves between them.

One state per fulfillment order. Payment, reservation, label, write-back and notice are dimensions
of their own and never move it. Every move that is not in `MOVES` is refused and recorded.
"""

from enum import StrEnum


class State(StrEnum):
    PENDING_PAYMENT = "pending_payment"
    PAID = "paid"
    ON_HOLD = "on_hold"
    APPROVED = "approved"
    ALLOCATED = "allocated"
    IN_WAREHOUSE = "in_warehouse"
    PACKED = "packed"
    IN_TRANSIT = "in_transit"
    DELIVERED = "delivered"
    COMPLETED = "completed"
    AFTER_SALE = "after_sale"
    CLOSED = "closed"


FINAL_STATES = frozenset({State.COMPLETED, State.CLOSED})

# How far along the normal path; a late or repeated event of a lower rank changes nothing.
RANK: dict[State, int] = {
    State.PENDING_PAYMENT: 0,
    State.PAID: 1,
    State.ON_HOLD: 1,
    State.APPROVED: 2,
    State.ALLOCATED: 3,
    State.IN_WAREHOUSE: 4,
    State.PACKED: 5,
    State.IN_TRANSIT: 6,
    State.DELIVERED: 7,
    State.COMPLETED: 8,
    State.AFTER_SALE: 8,
    State.CLOSED: 9,
}


class Cause(StrEnum):
    """Who may make a move."""

    PLATFORM = "platform"
    RULES = "rules"
    PERSON = "person"
    ALLOCATOR = "allocator"
    WAREHOUSE = "warehouse"
    COURIER = "courier"
    TIMER = "timer"
    SAGA = "saga"


_S, _C = State, Cause
_HOLDABLE = (_S.PAID, _S.APPROVED, _S.ALLOCATED, _S.IN_WAREHOUSE, _S.PACKED)

# (from, to) -> who may trigger it. docs/glossary.md explains each state.
MOVES: dict[tuple[State, State], frozenset[Cause]] = {
    (_S.PENDING_PAYMENT, _S.PAID): frozenset({_C.PLATFORM}),
    (_S.PENDING_PAYMENT, _S.CLOSED): frozenset({_C.PLATFORM, _C.TIMER, _C.SAGA}),
    **{(state, _S.ON_HOLD): frozenset({_C.RULES, _C.PERSON, _C.PLATFORM}) for state in _HOLDABLE},
    # A hold is left to the state it interrupted, or an earlier one; `may_resume` says which. A stop that is under way
    # does not change that the goods leave: a warehouse's or a courier's word moves such an order on.
    **{
        (_S.ON_HOLD, state): frozenset({_C.RULES, _C.PERSON, _C.PLATFORM, _C.TIMER, _C.SAGA, _C.WAREHOUSE, _C.COURIER})
        for state in _HOLDABLE
    },
    (_S.ON_HOLD, _S.IN_TRANSIT): frozenset({_C.WAREHOUSE, _C.COURIER, _C.SAGA}),
    (_S.ON_HOLD, _S.AFTER_SALE): frozenset({_C.SAGA}),
    (_S.ON_HOLD, _S.CLOSED): frozenset({_C.PLATFORM, _C.PERSON, _C.SAGA}),
    (_S.PAID, _S.APPROVED): frozenset({_C.RULES, _C.PERSON}),
    (_S.APPROVED, _S.ALLOCATED): frozenset({_C.ALLOCATOR}),
    (_S.APPROVED, _S.PAID): frozenset({_C.PERSON}),
    (_S.ALLOCATED, _S.PAID): frozenset({_C.PERSON}),
    (_S.ALLOCATED, _S.IN_WAREHOUSE): frozenset({_C.WAREHOUSE}),
    (_S.ALLOCATED, _S.APPROVED): frozenset({_C.WAREHOUSE}),
    (_S.IN_WAREHOUSE, _S.APPROVED): frozenset({_C.WAREHOUSE}),
    (_S.IN_WAREHOUSE, _S.PACKED): frozenset({_C.WAREHOUSE}),
    (_S.PACKED, _S.IN_TRANSIT): frozenset({_C.COURIER, _C.WAREHOUSE}),
    (_S.PACKED, _S.AFTER_SALE): frozenset({_C.SAGA}),
    (_S.PACKED, _S.CLOSED): frozenset({_C.SAGA}),
    (_S.IN_TRANSIT, _S.DELIVERED): frozenset({_C.COURIER}),
    (_S.DELIVERED, _S.COMPLETED): frozenset({_C.TIMER}),
    (_S.IN_TRANSIT, _S.AFTER_SALE): frozenset({_C.PLATFORM, _C.PERSON, _C.SAGA}),
    (_S.DELIVERED, _S.AFTER_SALE): frozenset({_C.PLATFORM, _C.PERSON, _C.SAGA}),
    (_S.COMPLETED, _S.AFTER_SALE): frozenset({_C.PLATFORM, _C.PERSON}),
    (_S.AFTER_SALE, _S.IN_TRANSIT): frozenset({_C.PERSON, _C.PLATFORM}),
    (_S.AFTER_SALE, _S.DELIVERED): frozenset({_C.PERSON, _C.PLATFORM}),
    (_S.AFTER_SALE, _S.COMPLETED): frozenset({_C.PERSON, _C.PLATFORM}),
    (_S.AFTER_SALE, _S.CLOSED): frozenset({_C.PERSON, _C.PLATFORM}),
    (_S.PAID, _S.CLOSED): frozenset({_C.PLATFORM, _C.PERSON, _C.SAGA}),
    (_S.APPROVED, _S.CLOSED): frozenset({_C.PLATFORM, _C.PERSON, _C.SAGA}),
    (_S.ALLOCATED, _S.CLOSED): frozenset({_C.PLATFORM, _C.PERSON, _C.SAGA}),
}


def may(now: State, to: State, cause: Cause) -> bool:
    """Whether `cause` may move a fulfillment order from `now` to `to`."""
    return cause in MOVES.get((now, to), frozenset())


def may_resume(interrupted: State, to: State) -> bool:
    """A released hold returns to the state it interrupted or an earlier one, never further."""
    return to in _HOLDABLE and RANK[to] <= RANK[interrupted]
