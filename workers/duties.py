"""The sweeper's duties, all in one list: what each does, how often, and beside which others it runs.

The round itself (`infra.sweeper.stuck_work`) rings for due work and frees what dead processes held; the duties of
`Beside.ROUND` follow in the same thread. Every other name in `Beside` is a thread of its own, in which its duties act
one after the other: a long duty delays only the duties of its own thread. Of alarms there is a duty for each
condition (`infra.monitoring.alarm_conditions`); the duties that open and close alarms are made outside of this list.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from actors.documents.silent import QuietDocuments
from actors.orders.take_over import TakeOverDuty
from actors.orders.unread_days import UnreadDays
from actors.orders.waiting_for_skus import WaitingForSkus
from actors.parcels.unfollowed import UnfollowedParcels
from infra.config.settings import Settings
from infra.monitoring.alarm_conditions import conditions_of, patience_of
from infra.monitoring.alarm_sinks import LogSink
from infra.monitoring.alarms import (
    alarm_on_expired_cases,
    alarm_on_expired_holds,
    alarm_on_letters,
    alarm_on_old_cursors,
    alarm_on_silent_feeds,
    alarm_on_silent_warehouses,
    raise_alarms,
    repeat_alarms,
)
from infra.monitoring.invariants import report_breaches
from infra.monitoring.signals import measure_signals
from infra.process.clock import Clock
from infra.queue.keys import Bells
from infra.queue.priority import PriorityBroker
from infra.retention.purge import Purge
from infra.sweeper.bulk_replay import LetterDuties
from infra.sweeper.earlier_versions import wake_waiting
from infra.sweeper.open_alarms import alarm_duties, unreachable_redis
from infra.sweeper.parcel_clocks import open_parcel_cases
from infra.sweeper.paused_accounts import GateDuty
from infra.sweeper.rejected_messages import RejectedDuty
from infra.sweeper.schedule import ALARMS_EVERY_S, Duty
from infra.tables.pool import Database
from ops.verbs.bulk_acts import BulkActs
from workers.stocking import AGAIN_S, LOOK_EVERY_S, Recounting, Stocking

Act = Callable[[], object]


class RunsIn(StrEnum):
    """The thread in which a duty acts."""

    ROUND = "round"
    QUICK = "quick"
    SLOW = "slow"
    OUTSIDE = "outside"
    PURGE = "purge"
    ALARMS = "alarms"


@dataclass(frozen=True, slots=True)
class DutyInputs:
    """The objects from which duties are made, in the process of the leading sweeper. `ping` raises when Redis does not
    answer.
    """

    settings: Settings
    db: Database
    clock: Clock
    gates: GateDuty
    broker: PriorityBroker
    bells: Bells
    ping: Callable[[], object]


@dataclass(frozen=True, slots=True)
class DutyEntry:
    """One duty. `every`: seconds, or the setting that says so; 0 is every round. `does`: a sentence for operators.

    `make` returns what acts: a duty that remembers something between its turns keeps it there.
    """

    name: str
    every: float | Callable[[Settings], float]
    beside: RunsIn
    does: str
    make: Callable[[DutyInputs], Act]

    def every_s(self, settings: Settings) -> float:
        """Seconds from one turn to the next."""
        return self.every(settings) if callable(self.every) else self.every


def _scaling_every_s(settings: Settings) -> float:
    return settings.scaling.every_s


def _retention_every_s(settings: Settings) -> float:
    return settings.retention.every_s


DUTIES: tuple[DutyEntry, ...] = (
    DutyEntry(
        "letters",
        0.0,
        RunsIn.ROUND,
        "continues bulk replays, closes letters of orders that moved on, and sums up the counts of causes",
        lambda given: LetterDuties(given.db, given.bells).run,
    ),
    DutyEntry(
        "signals",
        _scaling_every_s,
        RunsIn.QUICK,
        "measures what is due and what is under way, for `orderlane status`, `/metrics` and scaling",
        lambda given: lambda: measure_signals(given.db, given.settings.workers.step_groups(), given.gates.rooms),
    ),
    DutyEntry(
        "rejected_messages",
        2.0,
        RunsIn.QUICK,
        "makes a dead letter of each message that no worker could answer",
        lambda given: RejectedDuty(given.db, given.broker).run,
    ),
    DutyEntry(
        "listings",
        5.0,
        RunsIn.QUICK,
        "continues orders whose listing has got a SKU",
        lambda given: WaitingForSkus(given.db).run,
    ),
    DutyEntry(
        "waiting",
        2.0,
        RunsIn.QUICK,
        "continues orders that waited for the end of an earlier version's workers",
        lambda given: lambda: wake_waiting(given.db),
    ),
    DutyEntry(
        "bulk_acts",
        0.0,
        RunsIn.QUICK,
        "carries out the next items of confirmed bulk acts",
        lambda given: BulkActs(given.db).run,
    ),
    DutyEntry(
        "take_over",
        5.0,
        RunsIn.QUICK,
        "begins orders that came while their shop was watched and are ours by `take_over_from`",
        lambda given: TakeOverDuty(given.db).tend,
    ),
    DutyEntry(
        "quiet_documents",
        60.0,
        RunsIn.SLOW,
        "asks warehouses about orders of which they have reported nothing for `ask_quiet_after_s`",
        lambda given: (
            QuietDocuments(
                given.db,
                given.bells,
                given.settings.engine.ask_quiet_after_s,
                tuple(one.name for one in given.settings.locations if one.is_own),
            ).tend
        ),
    ),
    DutyEntry(
        "unfollowed_parcels",
        600.0,
        RunsIn.SLOW,
        "follows parcels whose hand-over was stored by a worker of an earlier version",
        lambda given: (
            UnfollowedParcels(
                given.db,
                given.bells,
                {one.account: one.tracking_account for one in given.settings.couriers if one.track},
                given.settings.tracking.pace.give_up_s,
            ).tend
        ),
    ),
    DutyEntry(
        "unread_days",
        30.0,
        RunsIn.SLOW,
        "has orders read again that a worker of an earlier version stored without the day from which they ship",
        lambda given: (
            UnreadDays(
                given.db, given.bells, tuple(one.account for one in given.settings.shops if one.presale_waits)
            ).tend
        ),
    ),
    DutyEntry(
        "clock_alarms",
        ALARMS_EVERY_S,
        RunsIn.SLOW,
        "reports orders that have used 50, 80 or 100 % of their time to ship",
        lambda given: lambda: raise_alarms(given.db),
    ),
    DutyEntry(
        "repeated_alarms",
        ALARMS_EVERY_S,
        RunsIn.SLOW,
        "reports orders that are still late, once a day",
        lambda given: lambda: repeat_alarms(given.db),
    ),
    DutyEntry(
        "letter_alarms",
        ALARMS_EVERY_S,
        RunsIn.SLOW,
        "reports causes of dead letters that are new, that grow, and that stay",
        lambda given: lambda: alarm_on_letters(given.db),
    ),
    DutyEntry(
        "old_cursors",
        ALARMS_EVERY_S,
        RunsIn.SLOW,
        "reports shops whose stored changes are too old",
        lambda given: lambda: alarm_on_old_cursors(given.db, given.settings.shops),
    ),
    DutyEntry(
        "silent_feeds",
        3600.0,
        RunsIn.SLOW,
        "reports shops and locations that could not be read for an hour",
        lambda given: lambda: alarm_on_silent_feeds(given.db),
    ),
    DutyEntry(
        "silent_warehouses",
        3600.0,
        RunsIn.SLOW,
        "reports locations with open orders of which nothing was told for `silent_after_h`",
        lambda given: lambda: alarm_on_silent_warehouses(given.db, patience_of(given.settings)),
    ),
    DutyEntry(
        "parcel_clocks",
        600.0,
        RunsIn.SLOW,
        "opens a case for each parcel that was not collected, moved or delivered in time",
        lambda given: lambda: open_parcel_cases(given.db),
    ),
    DutyEntry(
        "expired_holds",
        3600.0,
        RunsIn.SLOW,
        "reminds each owner of holds past their due time",
        lambda given: lambda: alarm_on_expired_holds(given.db),
    ),
    DutyEntry(
        "expired_cases",
        3600.0,
        RunsIn.SLOW,
        "reminds each owner of cases past their due time",
        lambda given: lambda: alarm_on_expired_cases(given.db),
    ),
    DutyEntry(
        "invariants",
        300.0,
        RunsIn.SLOW,
        "checks what must hold at every commit",
        lambda given: lambda: report_breaches(given.db),
    ),
    DutyEntry(
        "stock",
        AGAIN_S,
        RunsIn.OUTSIDE,
        "asks warehouses for stock that was never counted, or could not be read",
        lambda given: Stocking(given.settings, given.db).tend,
    ),
    DutyEntry(
        "stock_again",
        LOOK_EVERY_S,
        RunsIn.OUTSIDE,
        "asks locations whose count is older than `count_every_s` for a new count",
        lambda given: Recounting(given.settings, given.db).tend,
    ),
    DutyEntry(
        "purge",
        _retention_every_s,
        RunsIn.PURGE,
        "purges data that is older than its policy, and carries out erasures",
        lambda given: Purge(given.db, given.settings.retention).run,
    ),
)


def make_duties(given: DutyInputs) -> Mapping[RunsIn, tuple[Duty, ...]]:
    """All duties by the thread they act in, due at once, in the order of the list; then those about alarms."""
    settings, clock = given.settings, given.clock
    made = [(entry.beside, Duty(entry.name, entry.every_s(settings), entry.make(given), clock)) for entry in DUTIES]
    conditions = [*conditions_of(settings), unreachable_redis(given.ping)]
    alarms = alarm_duties(given.db, clock, conditions, [duty for _, duty in made], LogSink())
    made += [(RunsIn.ALARMS, duty) for duty in alarms]
    return {thread: tuple(duty for beside, duty in made if beside is thread) for thread in RunsIn}
