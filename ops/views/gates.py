"""Gates that are not free, and how much work waits behind them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.gates import GateKind, Pause
from infra.accounts.rules import rules_by_account, rules_of
from infra.accounts.shared_breaker import GateLook, SharedGates
from infra.config.settings import Limit, Settings
from infra.process.clock import Clock
from infra.tables.gates import load_pauses
from infra.tables.pool import Database
from infra.tables.work import count_behind_gates
from ops.views.looking import looking

# Pieces of work by the (kind, name) of their gate.
Waiting = Mapping[tuple[str, str], int]


class GateState(StrEnum):
    """Why a gate is not free."""

    PAUSED = "paused"
    OPEN = "open"
    THROTTLED = "throttled"
    RECOVERING = "recovering"


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate that is not free. `reason`: what its author said; empty for a breaker.

    `resting` counts pieces of work; None where nobody has counted.
    """

    kind: str
    name: str
    why: GateState
    reason: str
    shut_by: str
    since: datetime | None
    until: datetime | None
    resting: int | None


def gates(db: Database, shared: SharedGates, settings: Settings, clock: Clock) -> list[Gate]:
    """Every gate that is not free, those of people first. Raises Transient when Redis is away.

    Counts all work that rests, so it is for a person who asks.
    """
    accounts = sorted(rules_by_account(settings))
    seen = shared.look(accounts, rules_of(settings.guard, Limit()))
    pauses, waiting = _pauses(db, accounts)
    return [*_paused(pauses, waiting), *_breakers(accounts, seen, waiting, clock.utcnow())]


def uncounted_gates(db: Database, shared: SharedGates, settings: Settings, clock: Clock) -> list[Gate]:
    """The same without the counts, at a cost that does not grow with the waiting work: for repeated calls."""
    accounts = sorted(rules_by_account(settings))
    seen = shared.look(accounts, rules_of(settings.guard, Limit()))
    with looking(db) as tx:
        pauses = load_pauses(tx)
    return [*_paused(pauses, None), *_breakers(accounts, seen, None, clock.utcnow())]


def paused_gates(db: Database, settings: Settings) -> list[Gate]:
    """The gates that Postgres knows: shut by people, or by the engine for wrong credentials."""
    return list(_paused(*_pauses(db, sorted(rules_by_account(settings)))))


def _pauses(db: Database, accounts: Sequence[str]) -> tuple[Sequence[Pause], Waiting]:
    with looking(db) as tx:
        return load_pauses(tx), count_behind_gates(tx, accounts)


def _paused(pauses: Sequence[Pause], waiting: Waiting | None) -> Iterator[Gate]:
    for one in pauses:
        count = _count(waiting, one.kind, one.name)
        yield Gate(one.kind, one.name, GateState.PAUSED, one.reason, one.shut_by, one.shut_at, one.until, count)


def _breakers(
    accounts: Sequence[str], seen: dict[str, GateLook], waiting: Waiting | None, now: datetime
) -> Iterator[Gate]:
    for name in accounts:
        look = seen[name]
        is_free = not look.why and look.room < 0
        if not is_free:
            why = GateState(look.why or GateState.RECOVERING)
            until = now + timedelta(milliseconds=look.wait_ms) if look.why else None
            count = _count(waiting, GateKind.ACCOUNT, name)
            yield Gate(GateKind.ACCOUNT, name, why, "", "engine", None, until, count)


def _count(waiting: Waiting | None, kind: str, name: str) -> int | None:
    return None if waiting is None else waiting.get((kind, name), 0)
