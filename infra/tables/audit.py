"""The audit: who did what, in which role, from which source, and why; with the values before and after."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from infra.tables.pool import Connection
from infra.tables.rows import rows_json
from infra.tables.sql import load

AUDIT = load("audit")

# Codes, ids and numbers: no words or names of a person.
Facts = Mapping[str, Any]


class Verb(StrEnum):
    """What was done, as audit rows name it."""

    ADDRESS_CORRECTED = "address_corrected"
    BULK_CANCELLED = "bulk_cancelled"
    BULK_CONFIRMED = "bulk_confirmed"
    BULK_DRAFTED = "bulk_drafted"
    BULK_PAUSED = "bulk_paused"
    BULK_RUNNING = "bulk_running"
    BULK_STARTED = "bulk_started"
    CASE_ASSIGNED = "case_assigned"
    CASE_CLOSED = "case_closed"
    ENTRY_CLOSED = "entry_closed"
    GATE_PAUSED = "gate_paused"
    GATE_RESUMED = "gate_resumed"
    HOLD_ASSIGNED = "hold_assigned"
    HOLD_RELEASED = "hold_released"
    HOLD_SNOOZED = "hold_snoozed"
    LETTER_CLOSED = "letter_closed"
    LETTER_DISCARDED = "letter_discarded"
    LETTER_REOPENED = "letter_reopened"
    LINE_LET_GO = "line_let_go"
    LISTING_MAPPED = "listing_mapped"
    DOCUMENT_ADOPTED = "document_adopted"
    LISTING_UNMAPPED = "listing_unmapped"
    ORDER_ADOPTED = "order_adopted"
    ORDER_BARRED = "order_barred"
    ORDER_CLOSED = "order_closed"
    ORDER_EXPEDITED = "order_expedited"
    ORDER_HELD = "order_held"
    ORDER_JOINED = "order_joined"
    ORDER_RELABELLED = "order_relabelled"
    ORDER_REROUTED = "order_rerouted"
    ORDER_SPLIT = "order_split"
    ORDER_STOPPED = "order_stopped"
    ORDERS_SEARCHED = "orders_searched"
    PACKAGE_ACCEPTED = "package_accepted"
    PACKAGE_HANDED_OVER = "package_handed_over"
    PACKAGE_PACKED = "package_packed"
    PACKAGE_STOPPED = "package_stopped"
    PACKAGE_RECEIVED = "package_received"
    PERSON_ERASED = "person_erased"
    PURGE_ASKED = "purge_asked"
    STOCK_COUNTED = "stock_counted"
    STOCK_CORRECTED = "stock_corrected"
    STOP_CONFIRMED = "stop_confirmed"
    STOP_WITHDRAWN = "stop_withdrawn"
    WAYBILL_ADOPTED = "waybill_adopted"
    WAYBILL_UNWANTED = "waybill_unwanted"
    WAYBILL_VOIDED = "waybill_voided"
    WRITEBACK_RETRIED = "writeback_retried"


class AuditSignature(Protocol):
    """Who acts, as it is written down. `request_id` is the text of a UUID."""

    @property
    def who(self) -> str: ...

    @property
    def reason(self) -> str: ...

    @property
    def role(self) -> str: ...

    @property
    def source(self) -> str: ...

    @property
    def request_id(self) -> str: ...


class Act(NamedTuple):
    """One object that was changed, such as ``order/7``.

    `before` and `after` have the same keys; None: the object did not exist before, or does not exist after. `facts`
    belong to the act, not to one of the sides.
    """

    object: str
    before: Facts | None
    after: Facts | None
    facts: Facts = MappingProxyType({})


def record_acts(tx: Connection, author: AuditSignature, verb: Verb, acts: Iterable[Act]) -> None:
    """Write audit rows, one for each act; they commit with what was done."""
    rows = [{"verb": verb, **act._asdict(), "facts": dict(act.facts)} for act in acts]
    if rows:
        tx.execute(AUDIT["record_acts"], {**signed(author), "rows": rows_json(rows)})


def signed(author: AuditSignature) -> dict[str, str]:
    """The author as the parameters of a statement."""
    return {
        "who": author.who,
        "role": author.role,
        "source": author.source,
        "request_id": author.request_id,
        "reason": author.reason,
    }
