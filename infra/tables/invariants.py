"""Invariants that must hold at every commit, as queries that find their breaches."""

from collections.abc import Mapping

from infra.tables.pool import Connection
from infra.tables.sql import load

INVARIANT = load("invariants")

# By the name of its query.
SENTENCES: Mapping[str, str] = {
    "open_order_moves": (
        "Every open fulfillment order has due work, an open hold or dead letter, "
        "or a booked label or a document at its warehouse and waits for the scans, or is not ours."
    ),
    "clock_is_heard": "Whoever is past its ship-by clock has raised its last alarm.",
    "hold_has_owner": "Every open hold has an owner and a due time.",
    "final_has_time": "A final state, and no other, has its time.",
    "history_is_legal": "Every move on the timeline stands in the table of moves, with who made it.",
    "one_live_shipment": "A package has at most one live shipment.",
    "intent_is_resolved": (
        "A booking that may have happened is due to be asked about, or has an open dead letter or hold of its label."
    ),
    "document_is_resolved": (
        "A document that a warehouse may have is due to be asked about, or has an open dead letter or hold of its "
        "dispatch."
    ),
    "one_live_document": "A fulfillment order has at most one live document at a warehouse.",
    "unwanted_is_shown": (
        "A waybill that lives for a closed order or a cancelled package is being voided, or shown by a hold until a "
        "person releases that."
    ),
    "stop_goes_on": "An open stop has an owner: a hold, work or a dead letter.",
    "stopping_is_stopping": "An order that is held as stopping has an open stop.",
    "nothing_leaves_after_stopped": (
        "An order that closed as stopped has neither a living waybill of ours nor a document at a warehouse."
    ),
    "shipped_has_waybill": "What has left the house has a booked waybill for each package.",
    "pool_counts": "The pool's counters are the sums of its reservations.",
    "location_counts": "A location's counter is the sum of what is allocated there.",
    "never_oversold": "Nothing is promised beyond what is on hand.",
    "closed_frees_stock": "A closed order keeps no stock.",
    "planned_counts": "A line's counter of planned pieces is the sum of its fulfillment lines that are not closed.",
    "packed_counts": "A fulfillment line's counter of packed pieces is the sum of its packages that are not cancelled.",
    "never_beyond_sold": (
        "No more pieces are planned, cancelled or shipped elsewhere than were sold, and none is packed that is not "
        "planned."
    ),
    "nothing_is_forgotten": (
        "While an order is under way, each piece of ours is planned, cancelled or shipped elsewhere."
    ),
    "confirmed_is_booked": "A confirmed write-back has a booked waybill.",
    "platform_will_hear": "What was handed over is written back, or is due to be, or somebody decides.",
    "buyer_will_hear": "A notice is settled, or is due, or somebody decides.",
    "payload_is_read": "A stored payload became an order, or is due to be read, or somebody decides.",
    "work_has_subject": "Due work has its subject.",
}


def find_broken(session: Connection, invariant: str, named: Mapping[str, object]) -> list[tuple[int | None, str]]:
    """(order, what) of the rows that break an invariant, given by its query's name; empty when it holds."""
    return session.execute(INVARIANT[invariant], named).fetchall()
