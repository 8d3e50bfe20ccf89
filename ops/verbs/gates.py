"""Pause and resume an account, shop, lane or step."""

from datetime import datetime

from domain.errors import Misconfigured, Refused, Transient
from domain.gates import GateKind
from domain.order import Lane
from infra.accounts.rules import rules_by_account, rules_of
from infra.accounts.shared_breaker import SharedGates
from infra.config.directory import directory_of
from infra.config.settings import Limit, Settings
from infra.engine.author import Author
from infra.process.steps import STEPS
from infra.tables.audit import Verb
from infra.tables.gates import lock_gate, open_gate, shut_by_person
from infra.tables.pool import Database
from ops.verbs.change import change

# The kinds of gate that a person may name; a shop's gate is the gate of its account.
SHOP = "shop"


def named_gate(settings: Settings, kind: str, name: str) -> tuple[GateKind, str]:
    """The gate that a person names. Raises Misconfigured ``gate_unknown``, because a misspelt gate would stop
    nothing.
    """
    directory = directory_of(settings)
    shops = {shop.name: account for account, shop in directory.shops.items()}
    shops |= {account: account for account in directory.shops}
    known: dict[str, dict[str, str]] = {
        GateKind.ACCOUNT: {account: account for account in sorted(rules_by_account(settings))},
        SHOP: shops,
        GateKind.LANE: {str(lane): str(lane) for lane in Lane},
        GateKind.STEP: {str(step): str(step) for step in STEPS},
    }
    if name not in known[kind]:
        names = ", ".join(sorted(set(known[kind].values())))
        raise Misconfigured("gate_unknown", facts={"kind": kind, "name": name, "known": names})
    return GateKind.ACCOUNT if kind == SHOP else GateKind(kind), known[kind][name]


def pause(db: Database, kind: GateKind, name: str, author: Author, until: datetime | None) -> None:
    """Shut a gate until it is resumed, or until a moment. Work that is under way ends; no new work begins."""
    with change(db, author) as made:
        before = lock_gate(made.tx, kind, name)
        shut_by_person(made.tx, kind, name, reason=author.reason, by=author.who, until=until)
        after = {"shut_by": author.who, "until": until.isoformat() if until else None}
        made.note(Verb.GATE_PAUSED, f"{kind}/{name}", before, after)


def resume(db: Database, shared: SharedGates, kind: GateKind, name: str, author: Author, *, settings: Settings) -> bool:
    """Open a gate, also one that the engine has shut; an account's breaker starts afresh.

    False when only the breaker could be reset. Raises Refused ``gate_not_shut`` when nothing was shut.
    """
    with change(db, author) as made:
        before = lock_gate(made.tx, kind, name) or {"shut_by": "breaker"}
        shut = open_gate(made.tx, kind, name)
        if shut is None and (kind != GateKind.ACCOUNT or not _is_shut(shared, settings, name)):
            raise Refused("gate_not_shut", facts={"kind": kind, "name": name})
        made.note(Verb.GATE_RESUMED, f"{kind}/{name}", before, None)
    if kind == GateKind.ACCOUNT:
        shared.forget(name)
    return shut is not None


def _is_shut(shared: SharedGates, settings: Settings, account: str) -> bool:
    try:
        seen = shared.look([account], rules_of(settings.guard, Limit()))[account]
    except Transient:
        return False
    return bool(seen.why) or seen.room >= 0
