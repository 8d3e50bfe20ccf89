"""The purge: removes, kind by kind, data that is older than its policy, in small transactions, so that it may die
anywhere.

The purge waits for no lock and holds its own locks for one batch; rows that another transaction holds are left for the
next time. If two purges run, each batch is done once.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from domain.retention import KEEP, Kind
from infra.config.retention import Retention
from infra.process.failpoints import failpoint
from infra.retention.erase import carry_out
from infra.retention.forgotten import report_changes
from infra.retention.limits import mind_limits
from infra.tables.pool import Connection, Database
from infra.tables.retention import (
    DeletedRows,
    ForgetReason,
    RetentionDays,
    ScanQuery,
    StretchQueries,
    count_old,
    delete_old,
    delete_stretch,
    find_ended,
    forget,
    forget_leftovers,
    forget_refused_payloads,
    forget_unread,
    lock_ended,
    lock_unread,
    look_at,
    read_mark,
    set_mark,
)
from infra.telemetry.log import get_logger

# Rows that one transaction looks at, and changes at most.
BATCH = 200
# Batches of a kind in one round of the sweeper: a backlog of years is purged within hours.
BATCHES_MAX = 20
# Batches of rows that were passed over, because their order had not ended: so many are checked again in each round.
LEFT_BATCHES_MAX = 2

Act = Callable[[Connection, list[int]], int]

_DELETES: dict[Kind, tuple[DeletedRows, ...]] = {
    Kind.EARLY_SCANS: (DeletedRows.EARLY_SCANS,),
    Kind.GAPS: (DeletedRows.GAPS,),
    Kind.BULKS: (DeletedRows.BULK_MEMBERS, DeletedRows.BULKS, DeletedRows.BULK_ITEMS, DeletedRows.BULK_ACTS),
    Kind.ENTRIES: (DeletedRows.ENTRIES,),
    Kind.ALARMS: (DeletedRows.ALARMS,),
    Kind.CASES: (DeletedRows.CASES,),
}
_STRETCHES: dict[Kind, StretchQueries] = {
    Kind.PAGES: StretchQueries.PAGES,
    Kind.EVENTS: StretchQueries.EVENTS,
    Kind.LETTERS: StretchQueries.LETTERS,
}

log = get_logger(__name__)


@dataclass(slots=True)
class Purge:
    """One round after the other. `batches_max` bounds each kind's part of a round; None: until nothing is left."""

    db: Database
    policy: Retention
    batches_max: int | None = BATCHES_MAX
    batch: int = BATCH
    purged: Counter[str] = field(default_factory=Counter)

    def run(self) -> Counter[str]:
        """One round; rows changed or deleted by kind."""
        self.purged = Counter()
        days = self.policy.days
        if days[Kind.PERSONS] != KEEP:
            self._walk("orders", ScanQuery.ORDERS, self._forget_orders)
            self._walk("payloads", ScanQuery.PAYLOADS, self._forget_unread)
        with self.db.transaction() as tx:
            forget_refused_payloads(tx)
        for kind, all_deleted in _DELETES.items():
            if days[kind] != KEEP:
                for deleted in all_deleted:
                    self._delete(kind, deleted, days[kind])
        for kind, stretched in _STRETCHES.items():
            if days[kind] != KEEP:
                self._delete_stretches(kind, stretched, days[kind])
        carry_out(self.db)
        report_changes(self.db)
        mind_limits(self.db, self.policy)
        if self.purged.total():
            log.info("purged", **self.purged)
        return self.purged

    @property
    def _patience(self) -> RetentionDays:
        return RetentionDays(self.policy.persons_days, self.policy.transit_days)

    def _batches(self) -> Iterable[int]:
        return itertools.count() if self.batches_max is None else range(self.batches_max)

    def _walk(self, name: str, walk: ScanQuery, act: Act) -> None:
        """Look at rows in id order: starting where the last round ended, and again at rows that were left.

        A row that has not ended yet is passed over; a second mark follows the first and finds the row again.
        """
        with self.db.connection() as connection:
            front, tail = read_mark(connection, name), read_mark(connection, f"{name}_left")
        self._stretch(name, walk, act, after=front, upto=None, batches_max=self.batches_max)
        if tail >= front or self.batches_max is None:
            tail = 0
        # The second mark is not urgent.
        batches_max = self.batches_max and LEFT_BATCHES_MAX
        if self._stretch(f"{name}_left", walk, act, after=tail, upto=front, batches_max=batches_max):
            with self.db.transaction() as tx:
                set_mark(tx, f"{name}_left", 0, 0)

    def _stretch(
        self, mark: str, walk: ScanQuery, act: Act, *, after: int, upto: int | None, batches_max: int | None
    ) -> bool:
        """Whether the end was reached: of all rows, of all rows that are old enough, or of all rows before `upto`."""
        for _ in itertools.count() if batches_max is None else range(batches_max):
            with self.db.transaction() as tx:
                rows = look_at(tx, walk, after=after, limit=self.batch, days=self.policy.persons_days)
                due = [(id_, is_left) for id_, is_due, is_left in rows if is_due and (upto is None or id_ <= upto)]
                if not due:
                    return True
                left = [id_ for id_, is_left in due if is_left]
                done = act(tx, left) if left else 0
                failpoint("purge.forgotten", due[0][0], tx)
                after = due[-1][0]
                set_mark(tx, mark, after, done)
            self.purged[Kind.PERSONS] += done
            failpoint("purge.committed", after)
        return False

    def _forget_orders(self, tx: Connection, ids: list[int]) -> int:
        ended = lock_ended(tx, ids, self._patience)
        failpoint("purge.locked", ids[0], tx)
        if ended:
            forget(tx, ended, ForgetReason.PURGED)
        return len(ended)

    def _forget_unread(self, tx: Connection, ids: list[int]) -> int:
        payloads = lock_unread(tx, ids, self.policy.persons_days)
        if payloads:
            forget_unread(tx, payloads, ForgetReason.PURGED)
        return len(payloads) + forget_leftovers(tx, ids)

    def _delete(self, kind: Kind, deleted: DeletedRows, days: int) -> None:
        for _ in self._batches():
            with self.db.transaction() as tx:
                done = delete_old(tx, deleted, days, self.batch)
                failpoint("purge.deleted", None, tx)
                if done:
                    set_mark(tx, kind, 0, done)
            self.purged[kind] += done
            if done < self.batch:
                return

    def _delete_stretches(self, kind: Kind, stretched: StretchQueries, days: int) -> None:
        """Old rows come first; the few rows that must stay are passed over each time."""
        after = 0
        for _ in self._batches():
            with self.db.transaction() as tx:
                upto, is_old, done = delete_stretch(tx, stretched, after=after, limit=self.batch, days=days)
                failpoint("purge.deleted", None, tx)
                if done:
                    set_mark(tx, kind, 0, done)
            self.purged[kind] += done
            if not is_old:
                return
            after = upto


def count_due(db: Database, policy: Retention) -> Counter[str]:
    """How many rows a purge would take now, by kind, changing nothing. For a person who asks: it reads whole tables."""
    counts: Counter[str] = Counter()
    days = policy.days
    if days[Kind.PERSONS] != KEEP:
        counts[Kind.PERSONS] = _count_persons(db, policy)
    for kind in [kind for kind in Kind if kind is not Kind.PERSONS]:
        if days[kind] != KEEP:
            with db.connection() as connection:
                counts[kind] = count_old(connection, kind, days[kind])
    return counts


def _count_persons(db: Database, policy: Retention) -> int:
    total, after = 0, 0
    while True:
        with db.connection() as connection:
            rows = look_at(connection, ScanQuery.ORDERS, after=after, limit=BATCH, days=policy.persons_days)
            due = [(id_, is_left) for id_, is_due, is_left in rows if is_due]
            if not due:
                return total
            left = [id_ for id_, is_left in due if is_left]
            total += len(find_ended(connection, left, RetentionDays(policy.persons_days, policy.transit_days)))
            after = due[-1][0]
