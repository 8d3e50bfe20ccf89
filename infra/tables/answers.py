"""Raw answers of the other side behind failures: written with the failure, read by a person who asks for them."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
from psycopg.rows import class_row

from infra.tables.pool import Connection
from infra.tables.sql import load

ANSWERS = load("answers")
# For each subject of a step; a try more pushes the oldest out.
KEPT = 5


@dataclass(frozen=True, slots=True)
class NewAnswer:
    """An answer as it came, at most `domain.errors.EVIDENCE_MAX_BYTES` long; `code` is ours."""

    order_id: int
    step: str
    subject_id: int
    account: str
    code: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    """A kept answer: personal data."""

    step: str
    subject_id: int
    account: str
    code: str
    at: datetime
    body: bytes = field(repr=False)


def keep(tx: Connection, answers: Sequence[NewAnswer]) -> None:
    """Store answers, and drop the oldest of their subjects beyond `KEPT`."""
    rows = [
        {
            "order_id": one.order_id,
            "step": one.step,
            "subject_id": one.subject_id,
            "account": one.account,
            "code": one.code,
            "body": b64encode(one.body).decode(),
        }
        for one in answers
    ]
    tx.execute(ANSWERS["keep"], {"rows": msgspec.json.encode(rows).decode(), "others": KEPT - 1})


def answers_of(tx: Connection, order_id: int) -> tuple[KeptAnswer, ...]:
    """All kept answers of an order, the oldest first."""
    with tx.cursor(row_factory=class_row(KeptAnswer)) as cursor:
        return tuple(cursor.execute(ANSWERS["of_order"], {"id": order_id}))
