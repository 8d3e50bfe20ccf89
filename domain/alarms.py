"""Alarms: conditions and events that a person must know of, open as long as they last. Each kind is declared here,
once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from domain.ship_by import MARKS


class Severity(StrEnum):
    """Ordered from mild to grave. `error` wakes somebody, `warning` is for working hours, `info` wakes nobody."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class AlarmKind(StrEnum):
    """Stable codes. A kind has the name of the log event that says the same, where there is one."""

    SHIP_BY_50 = "ship_by_50"
    SHIP_BY_80 = "ship_by_80"
    SHIP_BY_100 = "ship_by_100"
    DEAD_LETTERS = "dead_letters"
    FEED_SILENT = "feed_silent"
    WAREHOUSE_SILENT = "warehouse_silent"
    SHOP_BEHIND = "shop_behind"
    FOUND_LATE = "found_late"
    SECOND_READING_BEHIND = "second_reading_behind"
    HOLDS_EXPIRED = "holds_expired"
    CASES_EXPIRED = "cases_expired"
    WAITING_ON_ACCOUNT = "waiting_on_account"
    ACCOUNT_PAUSED = "account_paused"
    ACCOUNT_THROTTLED = "account_throttled"
    INVARIANT_BREACHED = "invariant_breached"
    ENTRIES_UNREADABLE = "entries_unreadable"
    INPUT_REFUSED = "input_refused"
    STOCK_COUNT_REFUSED = "stock_count_refused"
    STOCK_NOT_COUNTED = "stock_not_counted"
    BULK_STOPPED = "bulk_stopped"
    RULES_BORROWED = "rules_borrowed"
    DUTY_FAILED = "duty_failed"
    REDIS_UNREACHABLE = "redis_unreachable"
    REJECTED_MESSAGES_DROPPED = "rejected_messages_dropped"
    NOTICE_UNKNOWN = "notice_unknown"
    WORKER_DIED = "worker_died"
    LEASES_FREED = "leases_freed"
    LATE_SAVE_REFUSED = "late_save_refused"
    EXCLUSIVE_RUN_PUT_OFF = "exclusive_run_put_off"
    POOL_AT_MAXIMUM = "pool_at_maximum"
    UNCAUGHT = "uncaught"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRule:
    """What a kind of alarm means.

    `key`: what the key of its alarms names. `quiet_s` is None for a condition: a condition is checked once a minute,
    and its alarm closes when the condition is over. For an event, `quiet_s` is the number of seconds without another
    such event after which its alarm closes. `act`: what the operator does. `events`: log events that say the same.
    """

    severity: Severity
    owner: str
    key: str
    opens: str
    act: str
    events: tuple[str, ...] = ()
    quiet_s: float | None = None

    @property
    def closes(self) -> str:
        """What closes an alarm of the kind, in words."""
        if self.quiet_s is None:
            return "when that is over"
        return f"after {self.quiet_s / _HOUR_S:.0f} h without another"


_HOUR_S = 3600.0
_DAY_S = 24 * _HOUR_S
_CLOCK = "`orderlane order due --within 4`: the last column says whom each order waits for"

ALARMS: Mapping[AlarmKind, AlarmRule] = {
    AlarmKind.SHIP_BY_50: AlarmRule(
        severity=Severity.INFO,
        owner="logistics",
        key="shop",
        opens="orders of the shop have used half of their ship-by clock",
        act="nothing yet",
        events=("clock_alarm",),
    ),
    AlarmKind.SHIP_BY_80: AlarmRule(
        severity=Severity.WARNING,
        owner="logistics",
        key="shop",
        opens="orders of the shop have used 80 % of their ship-by clock",
        act=_CLOCK,
        events=("clock_alarm",),
    ),
    AlarmKind.SHIP_BY_100: AlarmRule(
        severity=Severity.ERROR,
        owner="logistics",
        key="shop",
        opens="orders of the shop are past their ship-by time and not shipped",
        act=_CLOCK,
        events=("clock_alarm",),
    ),
    AlarmKind.DEAD_LETTERS: AlarmRule(
        severity=Severity.ERROR,
        owner="engineering",
        key="cause (fingerprint)",
        opens="the cause has open dead letters",
        act="`orderlane dlq causes`; fix the cause, then replay its letters",
        events=("letters_alarm", "dead_letter", "messages_rejected", "forgotten_order_changed"),
    ),
    AlarmKind.FEED_SILENT: AlarmRule(
        severity=Severity.ERROR,
        owner="engineering",
        key="account of a shop or location",
        opens="a shop or a location could not be read for an hour",
        act="log events `shop_unread`, `feed_unread` show the answer; `orderlane gates`",
        events=("feed_silent", "shop_unread", "feed_unread"),
    ),
    AlarmKind.WAREHOUSE_SILENT: AlarmRule(
        severity=Severity.ERROR,
        owner="logistics",
        key="account of a location",
        opens="the location has orders of ours, and no event, or scan of people there, has told of one for"
        " `silent_after_h`",
        act="`orderlane order list --location`: ask the warehouse whether it works on them; at a location of kind `own`"
        " look at `orderlane picks`, and scan what was done",
        events=("warehouse_silent",),
    ),
    AlarmKind.SHOP_BEHIND: AlarmRule(
        severity=Severity.ERROR,
        owner="engineering",
        key="account of a shop",
        opens="the newest stored change of the shop is older than `cursor_age_max_s` allows",
        act="`orderlane doctor`, line `cursors`",
        events=("shop_behind",),
    ),
    AlarmKind.FOUND_LATE: AlarmRule(
        severity=Severity.WARNING,
        owner="engineering",
        key="account of a shop",
        opens="within a day, the second reading found changes that the first had missed",
        act="give the shop a longer `overlap_s`",
        events=("found_late",),
    ),
    AlarmKind.SECOND_READING_BEHIND: AlarmRule(
        severity=Severity.WARNING,
        owner="engineering",
        key="account of a shop",
        opens="the second reading of the shop is a day behind the first",
        act="log event `shop_not_read_again` says why",
        events=("shop_not_read_again",),
    ),
    AlarmKind.HOLDS_EXPIRED: AlarmRule(
        severity=Severity.WARNING,
        owner="",
        key="owner of the holds",
        opens="the owner has open holds past their due time",
        act="settle the holds; `orderlane order show ID` names who must act",
        events=("holds_expired",),
    ),
    AlarmKind.CASES_EXPIRED: AlarmRule(
        severity=Severity.WARNING,
        owner="",
        key="owner of the cases",
        opens="the owner has open cases past their due time",
        act="`orderlane case list --owner O`; settle them, then `orderlane case close N --reason R`",
        events=("cases_expired",),
    ),
    AlarmKind.WAITING_ON_ACCOUNT: AlarmRule(
        severity=Severity.WARNING,
        owner="engineering",
        key="account",
        opens="orders are held because they wait for the account past their clock",
        act="`orderlane gates`: repair or resume the account",
        events=("waiting_on_account",),
    ),
    AlarmKind.ACCOUNT_PAUSED: AlarmRule(
        severity=Severity.ERROR,
        owner="engineering",
        key="account",
        opens="the account refuses our credentials, and the engine has paused it",
        act="`orderlane gates`: correct its credentials, or with `timestamp_invalid` the clock",
        events=("account_paused",),
    ),
    AlarmKind.ACCOUNT_THROTTLED: AlarmRule(
        severity=Severity.ERROR,
        owner="engineering",
        key="account",
        opens="for an hour, the account has answered every call with *too many calls*",
        act="`orderlane gates`: give the account a lower `limit`, or ask its owner for a higher quota",
        events=("account_throttled",),
        quiet_s=2 * _HOUR_S,
    ),
    AlarmKind.INVARIANT_BREACHED: AlarmRule(
        severity=Severity.ERROR,
        owner="engineering",
        key="invariant",
        opens="the last check of the invariants found it breached",
        act="a defect of ours: docs/how-to/runbook.md, *A breached invariant*",
        events=("invariant_breached",),
    ),
    AlarmKind.ENTRIES_UNREADABLE: AlarmRule(
        severity=Severity.ERROR,
        owner="warehouse",
        key="source and account",
        opens="scans or stock rows of the account could not be read",
        act="`orderlane entry list` names them; ask the sender, then `orderlane entry close N --reason R`",
        events=("scans_unreadable", "page_unapplied", "early_scans_unapplied", "stock_rows_unreadable"),
    ),
    AlarmKind.INPUT_REFUSED: AlarmRule(
        severity=Severity.ERROR,
        owner="engineering",
        key="limit, and its shop, account or location",
        opens="within a day, somebody sent more than a limit allows",
        act="`orderlane retention show`; ask the owner of the feed",
        events=("input_refused",),
    ),
    AlarmKind.STOCK_COUNT_REFUSED: AlarmRule(
        severity=Severity.ERROR,
        owner="stock",
        key="location",
        opens="the location counts less than is promised",
        act="`orderlane doctor` names the SKUs; hold or cancel orders, or have them counted again",
        events=("stock_count_refused",),
    ),
    AlarmKind.STOCK_NOT_COUNTED: AlarmRule(
        severity=Severity.WARNING,
        owner="stock",
        key="location",
        opens="the last count of the location could not be read",
        act="`orderlane stock count LOCATION` says why; the sweeper asks the location again",
        events=("stock_not_counted", "stock_not_loaded"),
    ),
    AlarmKind.BULK_STOPPED: AlarmRule(
        severity=Severity.ERROR,
        owner="engineering",
        key="number of the bulk",
        opens="a bulk replay or another bulk act has paused itself",
        act="`orderlane bulk show N`: the note says why; resume or cancel it",
        events=("bulk_failed", "bulk_paused"),
    ),
    AlarmKind.RULES_BORROWED: AlarmRule(
        severity=Severity.WARNING,
        owner="rules",
        key="`rules_file`",
        opens="the rules file lacks keys, which are taken from the packaged rules",
        act="add the keys to the rules file and restart the workers",
        events=("rules_borrowed",),
    ),
    AlarmKind.DUTY_FAILED: AlarmRule(
        severity=Severity.ERROR,
        owner="engineering",
        key="duty of the sweeper",
        opens="the last round of the duty failed",
        act="`orderlane doctor`; check whether Postgres is too slow; if not, keep the log and report it",
        events=("duty_failed",),
    ),
    AlarmKind.REDIS_UNREACHABLE: AlarmRule(
        severity=Severity.ERROR,
        owner="engineering",
        key="(none)",
        opens="the leading sweeper cannot reach Redis",
        act="start any empty Redis: nothing has to be restored",
        events=("sweep_interrupted", "rejected_messages_wait"),
    ),
    AlarmKind.REJECTED_MESSAGES_DROPPED: AlarmRule(
        severity=Severity.ERROR,
        owner="engineering",
        key="queue",
        opens="the queue had more rejected messages than it keeps, and dropped some",
        act="find who sends them: `orderlane dlq causes`",
        events=("rejected_messages_dropped",),
        quiet_s=_DAY_S,
    ),
    AlarmKind.NOTICE_UNKNOWN: AlarmRule(
        severity=Severity.WARNING,
        owner="service",
        key="account of a channel",
        opens="a notice may or may not have reached its buyer, and is not sent again",
        act="if there are many: ask the provider; notify the buyers by hand",
        events=("notice_unknown",),
        quiet_s=_DAY_S,
    ),
    AlarmKind.WORKER_DIED: AlarmRule(
        severity=Severity.WARNING,
        owner="engineering",
        key="step",
        opens="a worker process died in the step",
        act="when the count grows: `orderlane dlq causes` (`worker_killed`); else check memory and the machine",
        events=("worker_died",),
        quiet_s=_HOUR_S,
    ),
    AlarmKind.LEASES_FREED: AlarmRule(
        severity=Severity.WARNING,
        owner="engineering",
        key="step",
        opens="leases of the step ran out: a worker hangs, or Postgres lost the list of running workers",
        act="when the count grows: read the worker's log to find what hangs",
        events=("leases_freed",),
        quiet_s=_HOUR_S,
    ),
    AlarmKind.LATE_SAVE_REFUSED: AlarmRule(
        severity=Severity.WARNING,
        owner="engineering",
        key="step",
        opens="work of the step took longer than its lease, and another worker had taken it over",
        act="when the count grows: is the machine too slow, or `engine.lease_s` too short?",
        events=("late_save_refused",),
        quiet_s=_HOUR_S,
    ),
    AlarmKind.EXCLUSIVE_RUN_PUT_OFF: AlarmRule(
        severity=Severity.WARNING,
        owner="engineering",
        key="step",
        opens="a suspect could not run alone, as other runs of its worker took as long as `engine.lease_s`",
        act="when the count grows: find what hangs in that worker",
        events=("exclusive_run_put_off",),
        quiet_s=_HOUR_S,
    ),
    AlarmKind.POOL_AT_MAXIMUM: AlarmRule(
        severity=Severity.WARNING,
        owner="engineering",
        key="pool of workers",
        opens="the pool has as many processes as its settings allow, and its work asks for more",
        act="raise `processes_max`, or add a machine: docs/how-to/scaling.md",
        events=("scale_out_signal",),
        quiet_s=_HOUR_S,
    ),
    AlarmKind.UNCAUGHT: AlarmRule(
        severity=Severity.ERROR,
        owner="engineering",
        key="process and type of the error",
        opens="a process met an unexpected error",
        act="a defect of ours: keep the log, report it",
        events=("uncaught", "uncaught_in_thread", "uncaught_in_loop"),
        quiet_s=_DAY_S,
    ),
}

CLOCK_ALARMS: Mapping[int, AlarmKind] = dict(
    zip(MARKS, (AlarmKind.SHIP_BY_50, AlarmKind.SHIP_BY_80, AlarmKind.SHIP_BY_100), strict=True)
)
"""The kind of each mark of the ship-by clock, in percent."""

QUIET_S: Mapping[AlarmKind, float] = {kind: rule.quiet_s for kind, rule in ALARMS.items() if rule.quiet_s is not None}
"""The kinds that are events, with the seconds after which an alarm is closed."""
