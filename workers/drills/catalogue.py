"""All drills, in the order they are played."""

from workers.drills import (
    contention,
    kills,
    limits,
    machine,
    neighbours,
    nemesis,
    operators,
    races,
    runs,
    texts,
    unclear,
)
from workers.drills.drill import Drill

CATALOGUE: tuple[Drill, ...] = (
    Drill("kill-sweep", ("C1", "C3", "C4"), "kill -9 at every failpoint of every step", kills.kill_sweep),
    Drill("kill-pairs", ("C2", "C5"), "kill -9, and again during the recovery", kills.kill_pairs),
    Drill("zombie", ("C6",), "SIGSTOP past the lease, then SIGCONT", kills.zombie),
    Drill("poison", ("C8",), "an order that kills every worker that touches it", kills.poison),
    Drill("text-once", ("C1", "C2"), "kill -9 around a text message", texts.text_once),
    Drill("done-but-unheard", ("K3",), "calls carried out, answers lost", unclear.done_but_unheard),
    Drill("nobody-can-tell", ("K4",), "the same without look-up and idempotency", unclear.nobody_can_tell),
    Drill("late-look-up", ("K5",), "a booking that a look-up shows late", unclear.late_look_up, in_quick=False),
    Drill("one-number-for-two", ("K6",), "a waybill given twice", unclear.one_number_for_two, in_quick=False),
    Drill("lost-commits", ("P3",), "commits done, acknowledgements lost", unclear.lost_commits),
    Drill("throttled", ("K7",), "calls over an account's limit", limits.throttled, in_quick=False),
    Drill("locked-out", ("K9",), "credentials that expire", limits.locked_out, in_quick=False),
    Drill("refund-races", ("K14",), "refunds asked for at every instruction of the label step", races.refund_races),
    Drill("crossed-locks", ("P4",), "stock locked crosswise, rewritten", contention.crossed_locks, in_quick=False),
    Drill("pool-exhausted", ("P5",), "32 threads at 2 connections", contention.pool_exhausted, in_quick=False),
    Drill("disk-full", ("P6",), "no room for an intent", contention.disk_full, in_quick=False),
    Drill(
        "bulk-replay",
        ("O1", "O2", "O7"),
        "thousands of letters replayed at once",
        operators.bulk_replay,
        in_quick=False,
    ),
    Drill("restored-backup", ("O5",), "an older state restored", operators.restored_backup, in_quick=False),
    Drill("wrong-clock", ("T1",), "a worker's clock off by minutes", machine.wrong_clock, in_quick=False),
    Drill("memory", ("T2",), "thousands of orders, workers measured", machine.memory, in_quick=False),
    Drill(
        "blocked-interpreter", ("T3",), "a step that lets nobody else run", machine.blocked_interpreter, in_quick=False
    ),
    Drill("no-descriptors", ("T4",), "no file or socket can be opened", machine.no_descriptors, in_quick=False),
    Drill("sick-neighbour", ("K1", "K8"), "one of two couriers sick", neighbours.sick_neighbour, in_quick=False),
    Drill("breaker-herd", ("K8",), "64 threads at a sick account", neighbours.breaker_herd, in_quick=False),
    Drill("redis-emptied", ("R1", "R2"), "FLUSHALL in mid-run", runs.redis_emptied),
    Drill("redis-replaced", ("R8",), "Redis gone, an empty one in its place", runs.redis_replaced, in_quick=False),
    Drill("redis-full", ("R7",), "Redis refuses every write", runs.redis_full, in_quick=False),
    Drill("redis-line", ("R3", "R4"), "line to Redis cut, then slow", nemesis.redis_line, in_quick=False),
    Drill("wild-bells", ("R5", "R6", "S13"), "messages repeated, forged, malformed", runs.wild_bells, in_quick=False),
    Drill("postgres-restarts", ("P1", "P2"), "restarts, backends ended", runs.postgres_restarts, in_quick=False),
    Drill("long-transaction", ("P7",), "the table of due work locked", runs.long_transaction, in_quick=False),
    Drill("rolling-restart", ("C7",), "SIGTERM to worker after worker", runs.rolling_restart, in_quick=False),
    Drill("power-cut", ("C9",), "everything killed at one moment", runs.power_cut, in_quick=False),
    Drill("poison-in-batch", ("C8",), "the same with real workers, among many", runs.poison_in_batch, in_quick=False),
    Drill("courier-lies", ("K2", "K3"), "silence, nonsense, late answers", nemesis.courier_lies, in_quick=False),
    Drill("nemesis", ("all",), "random faults on all sides", nemesis.nemesis),
)
BY_NAME = {drill.name: drill for drill in CATALOGUE}
