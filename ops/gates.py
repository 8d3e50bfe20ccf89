"""Gates for people: pause and resume an account, shop, lane or step, and see what is shut and what rests behind it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.errors import Misconfigured, Refused, Transient
from domain.gates import GateKind, Pause
from domain.order import Lane
from domain.states import Step
from infra.accounts.rules import rules_by_account, rules_of
from infra.accounts.shared_breaker import Seen, SharedGates
from infra.config.settings import Limit, Settings
from infra.engine.replay import Author
from infra.process.clock import Clock
from infra.tables.audit import record_acts
from infra.tables.gates import load_pauses, open_gate, shut_by_person
from infra.tables.pool import Database
from infra.tables.work import resting

# How a person may name what they mean; a shop's gate is the gate of its account.
SHOP = "shop"
# Pieces of work by the (kind, name) of their gate.
Waiting = Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate that is not free. `why`: paused, open, throttled or recovering.

    `resting` counts pieces of work; None where nobody has counted.
    """

    kind: str
    name: str
    why: str
    reason: str
    shut_by: str
    since: datetime | None
    until: datetime | None
    resting: int | None


def named_gate(settings: Settings, kind: str, name: str) -> tuple[GateKind, str]:
    """The gate a person means. Raises Misconfigured ``gate_unknown``: a misspelt gate would stop nothing."""
    accounts = sorted(rules_by_account(settings))
    shops = {shop.name: shop.account for shop in settings.shops}
    shops |= {account: account for account in shops.values()}
    known: dict[str, dict[str, str]] = {
        GateKind.ACCOUNT: {account: account for account in accounts},
        SHOP: shops,
        GateKind.LANE: {str(lane): str(lane) for lane in Lane},
        GateKind.STEP: {str(step): str(step) for step in Step},
    }
    if name not in known[kind]:
        advice = ", ".join(sorted(set(known[kind].values()))) or "none"
        raise Misconfigured("gate_unknown", f"no {kind} {name}; known are: {advice}")
    return GateKind.ACCOUNT if kind == SHOP else GateKind(kind), known[kind][name]


def pause(db: Database, kind: GateKind, name: str, author: Author, until: datetime | None) -> None:
    """Shut a gate until it is resumed, or until a moment. Work that is under way ends; no new work begins."""
    with db.transaction() as tx:
        shut_by_person(tx, kind, name, reason=author.reason, by=author.who, until=until)
        record_acts(tx, author.who, "gate_paused", author.reason, [(f"{kind}/{name}", _facts(until))])


def resume(db: Database, shared: SharedGates, kind: GateKind, name: str, author: Author) -> bool:
    """Open a gate, also one that the engine has shut; an account's breaker starts afresh.

    False when only the breaker could be reset. Raises Refused ``gate_not_shut`` when nothing was shut.
    """
    with db.transaction() as tx:
        shut = open_gate(tx, kind, name)
        facts = {"shut_by": shut.by, "shut_for": shut.reason} if shut else {"shut_by": "breaker"}
        if shut is None and (kind != GateKind.ACCOUNT or not _is_shut(shared, name)):
            raise Refused("gate_not_shut", f"{kind} {name} is not shut")
        record_acts(tx, author.who, "gate_resumed", author.reason, [(f"{kind}/{name}", facts)])
    if kind == GateKind.ACCOUNT:
        shared.forget(name)
    return shut is not None


def gates(db: Database, shared: SharedGates, settings: Settings, clock: Clock) -> list[Gate]:
    """Every gate that is not free, those of people first. Raises Transient when Redis is away.

    Counts all work that rests, so it is for a person who asks.
    """
    accounts = sorted(rules_by_account(settings))
    seen = shared.look(accounts, rules_of(settings.guard, Limit()))
    pauses, waiting = _pauses(db, accounts)
    return [*_paused(pauses, waiting), *_breakers(accounts, seen, waiting, clock.utcnow())]


def uncounted_gates(db: Database, shared: SharedGates, settings: Settings, clock: Clock) -> list[Gate]:
    """The same, at a cost that does not grow with what rests: for whoever asks again and again."""
    accounts = sorted(rules_by_account(settings))
    seen = shared.look(accounts, rules_of(settings.guard, Limit()))
    with db.connection() as connection:
        pauses = load_pauses(connection)
    return [*_paused(pauses, None), *_breakers(accounts, seen, None, clock.utcnow())]


def paused_gates(db: Database, settings: Settings) -> list[Gate]:
    """Those that Postgres knows of: shut by people, or by the engine for wrong credentials."""
    return list(_paused(*_pauses(db, sorted(rules_by_account(settings)))))


def _pauses(db: Database, accounts: Sequence[str]) -> tuple[Sequence[Pause], Waiting]:
    with db.transaction() as tx:
        return load_pauses(tx), resting(tx, accounts)


def _paused(pauses: Sequence[Pause], waiting: Waiting | None) -> Iterator[Gate]:
    for one in pauses:
        count = _count(waiting, one.kind, one.name)
        yield Gate(one.kind, one.name, "paused", one.reason, one.shut_by, one.shut_at, one.until, count)


def _breakers(accounts: Sequence[str], seen: dict[str, Seen], waiting: Waiting | None, now: datetime) -> Iterator[Gate]:
    for name in accounts:
        standing = seen[name]
        why = standing.why or ("" if standing.room < 0 else "recovering")
        if why:
            until = now + timedelta(milliseconds=standing.wait_ms) if standing.why else None
            count = _count(waiting, GateKind.ACCOUNT, name)
            yield Gate(GateKind.ACCOUNT, name, why, _REASONS[why], "engine", None, until, count)


def _count(waiting: Waiting | None, kind: str, name: str) -> int | None:
    return None if waiting is None else waiting.get((kind, name), 0)


_REASONS = {
    "open": "its server failed several times in a row",
    "throttled": "it asked for patience",
    "recovering": "it answers again; calls come back step by step",
}


def _is_shut(shared: SharedGates, account: str) -> bool:
    try:
        seen = shared.look([account], rules_of(Settings().guard, Limit()))[account]
    except Transient:
        return False
    return bool(seen.why) or seen.room >= 0


def _facts(until: datetime | None) -> dict[str, str]:
    return {"until": until.isoformat()} if until else {}
