"""The sweeper's duties at the gates: no bell for work behind a shut gate, a slow return of work, and a hold for work
that waits too long.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from domain.errors import Transient
from domain.gates import GateKind, Pause, pause_before
from domain.holds import HoldCode
from domain.order import Lane
from domain.outcomes import Hold
from domain.states import Cause, State
from infra.accounts.rules import GateRules
from infra.accounts.shared_breaker import GateLook, SharedGates
from infra.engine.replay import go_on, holding_codes
from infra.engine.results import SubjectRef
from infra.engine.write_outcomes import Writes, add_hold, event, write
from infra.process.clock import Clock
from infra.queue.keys import BellKey
from infra.sweeper.reinstate import reinstate
from infra.tables.gates import load_pauses
from infra.tables.holds import release_resumed, release_waiting, waits_ended
from infra.tables.orders import Locked, lock_fulfillment
from infra.tables.pool import Connection, Database
from infra.tables.work import (
    OverdueWork,
    PausedWork,
    Stretch,
    gates_with_work,
    let_through,
    next_stretch,
    overdue_behind_gates,
    overdue_behind_pauses,
)
from infra.telemetry.log import get_logger

# Work that comes back in one round when nothing limits it; and holds that one round opens, or looks at to release.
LET_THROUGH_MAX = 500
HOLDS_MAX = 500
# Rows of work that one round reads to find what waits too long.
STRETCH_MAX = 5_000
# From the end of one pass over all that waits to the beginning of the next one.
HOLDS_EVERY_S = 30.0
_START = Stretch("", 0, STRETCH_MAX)
_FREE = GateLook("", 0, -1)

log = get_logger(__name__)


@dataclass(slots=True)
class _Pass:
    """How far one pass over the waits and the work has come. A round looks at a stretch, and does not grow with them.

    `waits`: the id of the last hold that was looked at. `work`: the stretch to look at. None: all of it was.
    """

    waits: int | None = None
    work: Stretch | None = None

    @property
    def is_over(self) -> bool:
        return self.waits is None and self.work is None

    def go_on(self) -> None:
        """Begin again if it is over."""
        if self.is_over:
            self.waits, self.work = 0, _START


@dataclass(slots=True)
class GateDuty:
    """Safe to run twice. What a round costs grows with keys and gates, not with the work that waits behind them.

    Held is what its order's ship-by comes within `margin_s` of, or what has waited for `patience_s`.
    """

    db: Database
    shared: SharedGates
    rules: GateRules
    clock: Clock
    margin_s: float
    patience_s: float
    _holds_at: float = field(default=0.0, init=False)
    _of_accounts: _Pass = field(default_factory=_Pass, init=False)
    _of_pauses: _Pass = field(default_factory=_Pass, init=False)

    def open_keys(self, keys: Sequence[BellKey]) -> list[BellKey]:
        """The keys to ring for: keys with an open gate, and keys of work that returns now."""
        with self.db.connection() as connection:
            pauses = load_pauses(connection)
            gates = gates_with_work(connection)
        accounts = sorted({*gates, *(key.account for key in keys if key.account)})
        seen = self._look(accounts)
        returned = {key for account in gates for key in self._let_through(account, pauses, seen)}
        if seen is not None and self.clock.monotonic() >= self._holds_at:
            returned |= self._hold(_not_free(accounts, pauses, seen))
            returned |= self.reinstate_subjects()
        return [key for key in {*keys, *returned} if _may_ring(key, pauses, seen or {})]

    def rooms(self, accounts: Sequence[str]) -> dict[str, int]:
        """How much work may begin at accounts that are limited now. Changes nothing.

        More workers do not help an account at its rate limit, so one piece of its work counts like all of it.
        """
        seen = self._look(accounts)
        if seen is None:
            return {}
        narrow = {name: _room(name, (), seen) for name, look in seen.items() if look != _FREE}
        return dict.fromkeys(self._at_their_rate(accounts), 1) | narrow

    def hold_waiting(self, accounts: Sequence[str]) -> set[BellKey]:
        """Open a hold for work that waits too long behind these accounts, and release the holds of work that no longer
        waits.

        Looks at a stretch of the waits and of the work, and at the next ones when called again. The work keeps resting,
        and goes on by itself once its gate opens. Returns the bells of orders whose last hold that was.
        """
        at = self._of_accounts
        at.go_on()
        bells: set[BellKey] = set()
        with self.db.transaction() as tx:
            after, stretch = at.waits, at.work
            if after is not None:
                ids, after = waits_ended(tx, accounts, after=after, size=HOLDS_MAX)
                # As a person does who releases a hold: the fulfillment orders first, then the holds.
                locked = lock_fulfillment(tx, ids) if ids else ()
                bells = _go_on(tx, locked, release_waiting(tx, [one.id for one in locked], accounts) if locked else ())
            if not accounts:
                stretch = None
            if stretch is not None:
                overdue = overdue_behind_gates(
                    tx, accounts, stretch, margin_s=self.margin_s, patience_s=self.patience_s, limit=HOLDS_MAX
                )
                _open_holds(tx, overdue)
                stretch = _behind(tx, stretch, len(overdue))
        at.waits, at.work = after, stretch
        return bells

    def hold_paused(self) -> set[BellKey]:
        """The same for what waits too long while a person has paused its lane or step; the hold names the pause."""
        at = self._of_pauses
        at.go_on()
        bells: set[BellKey] = set()
        with self.db.transaction() as tx:
            after, stretch = at.waits, at.work
            if after is not None:
                ids, after = waits_ended(tx, by_pause=True, after=after, size=HOLDS_MAX)
                locked = lock_fulfillment(tx, ids) if ids else ()
                bells = _go_on(tx, locked, release_resumed(tx, [one.id for one in locked]) if locked else ())
            if all(pause.kind is GateKind.ACCOUNT for pause in load_pauses(tx)):
                stretch = None
            if stretch is not None:
                overdue = overdue_behind_pauses(
                    tx, stretch, margin_s=self.margin_s, patience_s=self.patience_s, limit=HOLDS_MAX
                )
                _open_holds(tx, overdue)
                stretch = _behind(tx, stretch, len(overdue))
        at.waits, at.work = after, stretch
        return bells

    def _hold(self, accounts: Sequence[str]) -> set[BellKey]:
        """A stretch of `hold_waiting` and of `hold_paused`. The next pass begins a while after both are over."""
        begins = self._of_accounts.is_over and self._of_pauses.is_over
        bells: set[BellKey] = set()
        if begins or not self._of_accounts.is_over:
            bells |= self.hold_waiting(accounts)
        if begins or not self._of_pauses.is_over:
            bells |= self.hold_paused()
        if self._of_accounts.is_over and self._of_pauses.is_over:
            self._holds_at = self.clock.monotonic() + HOLDS_EVERY_S
        return bells

    def reinstate_subjects(self) -> set[BellKey]:
        """Put back to work what had ended before its account turned out to be the cause; return its bells."""
        with self.db.transaction() as tx:
            return reinstate(tx)

    def _look(self, accounts: Sequence[str]) -> dict[str, GateLook] | None:
        """The states of the breakers; None if Redis is unreachable, because every process then decides alone."""
        try:
            return self.shared.look(accounts, self.rules)
        except Transient:
            return None

    def _at_their_rate(self, accounts: Sequence[str]) -> set[str]:
        try:
            return self.shared.at_their_rate(accounts)
        except Transient:
            return set()

    def _let_through(
        self, account: str, pauses: Iterable[Pause], seen: dict[str, GateLook] | None
    ) -> Iterable[BellKey]:
        room = _room(account, pauses, seen or {})
        if room == 0:
            return
        limit = LET_THROUGH_MAX if room < 0 else room
        with self.db.connection() as connection:
            for step, lane, key_account in let_through(connection, account, limit):
                yield BellKey(step, lane, key_account)


def _behind(tx: Connection, stretch: Stretch, held: int) -> Stretch | None:
    """Where the next round goes on: the same stretch where it may hold more that is overdue, else the next one."""
    return stretch if held == HOLDS_MAX else next_stretch(tx, stretch)


def _open_holds(tx: Connection, overdue: Sequence[OverdueWork | PausedWork]) -> None:
    by_step: dict[str, Writes] = {}
    for one in overdue:
        ref = SubjectRef(
            one.subject_id, Lane(one.lane), one.order_id, one.fulfillment_order_id, one.package_id, State(one.state)
        )
        hold = Hold(HoldCode.WAITING_ON_ACCOUNT, one.facts)
        add_hold(one.step, ref, hold, by_step.setdefault(one.step, Writes()))
        log.warning("waiting_on_account", order_id=one.order_id, behind=one.behind)
    for step, writes in by_step.items():
        write(tx, step, writes)


def _go_on(
    tx: Connection, locked: Sequence[Locked], released: Iterable[tuple[int, int, str, str, str]]
) -> set[BellKey]:
    """Record the ends of waits. The work of an order goes on by itself, unless another hold stood and is gone by now.

    `locked`: the fulfillment orders, locked before their holds were released.
    """
    by_id = {one.id: one for one in locked}
    bells: set[BellKey] = set()
    for fulfillment_order_id, order_id, lane, state, step in released:
        ref = SubjectRef(fulfillment_order_id, Lane(lane), order_id, fulfillment_order_id, None, State(state))
        facts = {"code": HoldCode.WAITING_ON_ACCOUNT, "by": "engine"}
        writes = Writes(events=[event(step, ref, "hold_released", Cause.TIMER, facts=facts)])
        write(tx, step, writes)
        one = by_id.get(fulfillment_order_id)
        if one is not None and one.state is State.ON_HOLD and not holding_codes(tx, one.id):
            bells |= go_on(tx, one, step, Cause.TIMER, facts)
    return bells


def _room(account: str, pauses: Iterable[Pause], seen: dict[str, GateLook]) -> int:
    """How much work may come back to an account: none, a few, or -1 for all."""
    pause = pause_before(pauses, account=account)
    if pause is not None:
        return int(pause.is_probe_due)
    look = seen.get(account, _FREE)
    return 0 if look.why else look.room


def _may_ring(key: BellKey, pauses: Iterable[Pause], seen: dict[str, GateLook]) -> bool:
    pause = pause_before(pauses, step=key.step, lane=key.lane, account=key.account)
    if pause is not None:
        return pause.is_probe_due
    return not seen.get(key.account, _FREE).why


def _not_free(accounts: Iterable[str], pauses: Iterable[Pause], seen: dict[str, GateLook]) -> list[str]:
    """Accounts that are shut, or only on their way back."""
    return [name for name in accounts if pause_before(pauses, account=name) or seen.get(name, _FREE) != _FREE]
