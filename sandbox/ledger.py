"""The sandbox's own record of all calls and their effects, which the engine cannot change."""

from collections import Counter, deque
from dataclasses import dataclass, field

_REFUSALS_KEPT = 500


@dataclass(frozen=True, slots=True)
class WriteBack:
    """A shipment the platform accepted for these lines of a trade; `at` in unix seconds.

    `pieces`: of each line, in their order, where the call said so; empty: all of each.
    """

    tid: int
    line_ids: tuple[int, ...]
    company_code: str
    number: str
    at: float
    pieces: tuple[int, ...] = ()

    def pieces_of(self, line_id: int) -> int | None:
        """The pieces of one of its lines; None: all of it."""
        return self.pieces[self.line_ids.index(line_id)] if self.pieces else None


@dataclass(frozen=True, slots=True)
class StopTold:
    """The seller's answer about the goods of a refund case; `at` in unix seconds. `status`: SUCCESS or FAIL."""

    refund_id: int
    tid: int
    oid: int
    status: str
    at: float


@dataclass(frozen=True, slots=True)
class HookMessage:
    """A web-hook message, kept once for each event id."""

    event_id: str
    content: object
    at: float


@dataclass(frozen=True, slots=True)
class Texted:
    """A text message that was sent, each one: the provider drops none. `event_id` is the sender's own number."""

    event_id: str
    params: tuple[str, ...]
    at: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call that was answered with an error."""

    endpoint: str
    code: str
    at: float


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something an honest engine never does, seen by the witness.

    Kinds: `misdirected` (the label's receiver is not the trade's), `waybill_unknown` (told a number the
    courier never gave), `waybill_dead` (told a cancelled one), `paid_while_it_travels` (the platform was told that
    goods stay, and paid, while a waybill of the order lives or has left), `text_misdirected` (a message about a package
    to another number than its receiver's). An order that must not ship needs no alarm: the platform refuses it.
    `tid` is 0 where no trade was named.
    """

    kind: str
    tid: int
    number: str


@dataclass(slots=True)
class Ledger:
    """Append-only. `calls` and `refused` count by endpoint; `refusals` keeps the last few hundred."""

    calls: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    refusals: deque[Refusal] = field(default_factory=lambda: deque(maxlen=_REFUSALS_KEPT))
    write_backs: list[WriteBack] = field(default_factory=list)
    stops_told: list[StopTold] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)
    told: dict[str, HookMessage] = field(default_factory=dict)
    told_again: int = 0
    texted: list[Texted] = field(default_factory=list)

    def refuse(self, endpoint: str, code: str, at: float) -> None:
        self.refused[f"{endpoint} {code}"] += 1
        self.refusals.append(Refusal(endpoint, code, at))
