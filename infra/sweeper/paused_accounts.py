"""The sweeper's duties at the gates: no bell for work behind a shut gate, a slow return of work, and a hold for work
that waits too long.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from domain.errors import Transient
from domain.gates import Pause, pause_before
from domain.holds import HoldCode
from domain.order import Lane
from domain.outcomes import Hold
from domain.states import Cause, State
from infra.accounts.rules import Rules
from infra.accounts.shared_breaker import Seen, SharedGates
from infra.engine.replay import go_on
from infra.engine.results import Place
from infra.engine.write_outcomes import Writes, add_hold, event, write
from infra.process.clock import Clock
from infra.queue.keys import BellKey
from infra.sweeper.reinstate import reinstate
from infra.tables.gates import load_pauses
from infra.tables.holds import open_holds, release_resumed, release_waiting, waits_ended
from infra.tables.orders import Locked, lock_fulfillment
from infra.tables.pool import Connection, Database
from infra.tables.work import gates_with_work, let_through, overdue_behind_gates, overdue_behind_pauses
from infra.telemetry.log import get_logger

# Work that comes back in one round when nothing limits it; and holds that one round opens.
LET_THROUGH_MAX = 500
HOLDS_MAX = 500
HOLDS_EVERY_S = 30.0
_FREE = Seen("", 0, -1)

log = get_logger(__name__)


@dataclass(slots=True)
class GateDuty:
    """Safe to run twice. Its cost grows with keys and gates, not with the work that waits behind them.

    Held is what its order's ship-by comes within `margin_s` of, or what has waited for `patience_s`.
    """

    db: Database
    shared: SharedGates
    rules: Rules
    clock: Clock
    margin_s: float
    patience_s: float
    _holds_at: float = field(default=0.0, init=False)

    def open_keys(self, keys: Sequence[BellKey]) -> list[BellKey]:
        """The keys to ring for: keys with an open gate, and keys of work that returns now."""
        with self.db.connection() as connection:
            pauses = load_pauses(connection)
            gates = gates_with_work(connection)
        accounts = sorted({*gates, *(key.account for key in keys if key.account)})
        seen = self._look(accounts)
        returned = {key for account in gates for key in self._let_through(account, pauses, seen)}
        if seen is not None and self.clock.monotonic() >= self._holds_at:
            self._holds_at = self.clock.monotonic() + HOLDS_EVERY_S
            returned |= self.hold_waiting(_not_free(accounts, pauses, seen))
            returned |= self.hold_paused()
            returned |= self.reinstate_accusers()
        return [key for key in {*keys, *returned} if _may_ring(key, pauses, seen or {})]

    def rooms(self, accounts: Sequence[str]) -> dict[str, int]:
        """How much work may begin at accounts that are limited now. Changes nothing.

        More workers do not help an account at its rate limit, so one piece of its work counts like all of it.
        """
        seen = self._look(accounts)
        if seen is None:
            return {}
        narrow = {name: _room(name, (), seen) for name, standing in seen.items() if standing != _FREE}
        return dict.fromkeys(self._at_their_rate(accounts), 1) | narrow

    def reinstate_accusers(self) -> set[BellKey]:
        """Put back to work what had ended before its account turned out to be the cause; return its bells."""
        with self.db.transaction() as tx:
            return reinstate(tx)

    def hold_waiting(self, accounts: Sequence[str]) -> set[BellKey]:
        """Open a hold for work that waits too long behind these accounts, and release the holds of work that no longer
        waits.

        The work keeps waiting, and continues once its gate opens. Returns the bells of orders whose last hold that was.
        """
        with self.db.transaction() as tx:
            # In the order in which a person's release locks: the fulfillment orders first, then the holds.
            locked = lock_fulfillment(tx, waits_ended(tx, accounts))
            bells = _go_on(tx, locked, release_waiting(tx, [one.id for one in locked], accounts) if locked else ())
            if not accounts:
                return bells
            overdue = overdue_behind_gates(
                tx, accounts, margin_s=self.margin_s, patience_s=self.patience_s, limit=HOLDS_MAX
            )
            for fulfillment_order_id, order_id, package_id, lane, state, step, account in overdue:
                place = Place(package_id, Lane(lane), order_id, fulfillment_order_id, package_id, State(state))
                writes = Writes()
                add_hold(step, place, Hold(HoldCode.WAITING_ON_ACCOUNT, {"account": account}), writes)
                write(tx, step, writes)
                log.warning("waiting_on_account", order_id=order_id, account=account)
        return bells

    def hold_paused(self) -> set[BellKey]:
        """Open and release holds as `hold_waiting` does, for work that waits too long because a person has paused its
        lane or step; the hold names the pause.
        """
        with self.db.transaction() as tx:
            locked = lock_fulfillment(tx, waits_ended(tx, by_pause=True))
            bells = _go_on(tx, locked, release_resumed(tx, [one.id for one in locked]) if locked else ())
            for one in overdue_behind_pauses(tx, margin_s=self.margin_s, patience_s=self.patience_s, limit=HOLDS_MAX):
                place = Place(
                    one.subject_id,
                    Lane(one.lane),
                    one.order_id,
                    one.fulfillment_order_id,
                    one.package_id,
                    State(one.state),
                )
                writes = Writes()
                facts = {"pause": one.pause, "reason": one.reason}
                add_hold(one.step, place, Hold(HoldCode.WAITING_ON_ACCOUNT, facts), writes)
                write(tx, one.step, writes)
                log.warning("waiting_on_account", order_id=one.order_id, pause=one.pause)
        return bells

    def _look(self, accounts: Sequence[str]) -> dict[str, Seen] | None:
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

    def _let_through(self, account: str, pauses: Iterable[Pause], seen: dict[str, Seen] | None) -> Iterable[BellKey]:
        room = _room(account, pauses, seen or {})
        if room == 0:
            return
        limit = LET_THROUGH_MAX if room < 0 else room
        with self.db.connection() as connection:
            for step, lane, key_account in let_through(connection, account, limit):
                yield BellKey(step, lane, key_account)


def _go_on(
    tx: Connection, locked: Sequence[Locked], released: Iterable[tuple[int, int, str, str, str]]
) -> set[BellKey]:
    """Record the ends of waits. The work of an order goes on by itself, unless another hold stood and is gone by now.

    `locked`: the fulfillment orders, locked before their holds were released.
    """
    by_id = {one.id: one for one in locked}
    bells: set[BellKey] = set()
    for fulfillment_order_id, order_id, lane, state, step in released:
        place = Place(fulfillment_order_id, Lane(lane), order_id, fulfillment_order_id, None, State(state))
        facts = {"code": HoldCode.WAITING_ON_ACCOUNT, "by": "engine"}
        writes = Writes(events=[event(step, place, "hold_released", Cause.TIMER, facts=facts)])
        write(tx, step, writes)
        one = by_id.get(fulfillment_order_id)
        if one is not None and one.state is State.ON_HOLD and not open_holds(tx, [one.id]):
            bells |= go_on(tx, one, step, Cause.TIMER, facts)
    return bells


def _room(account: str, pauses: Iterable[Pause], seen: dict[str, Seen]) -> int:
    """How much work may come back to an account: none, a few, or -1 for all."""
    pause = pause_before(pauses, account=account)
    if pause is not None:
        return int(pause.is_probe_due)
    standing = seen.get(account, _FREE)
    return 0 if standing.why else standing.room


def _may_ring(key: BellKey, pauses: Iterable[Pause], seen: dict[str, Seen]) -> bool:
    pause = pause_before(pauses, step=key.step, lane=key.lane, account=key.account)
    if pause is not None:
        return pause.is_probe_due
    return not seen.get(key.account, _FREE).why


def _not_free(accounts: Iterable[str], pauses: Iterable[Pause], seen: dict[str, Seen]) -> list[str]:
    """Accounts that are shut, or only on their way back."""
    return [name for name in accounts if pause_before(pauses, account=name) or seen.get(name, _FREE) != _FREE]
