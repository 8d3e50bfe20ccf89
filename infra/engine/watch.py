"""The one place where the engine stops remote steps for shops that are only watched.

Work of such a shop that would send a message or book a label waits here, before its step begins. A query about a call
with an unknown outcome continues, because it only reads.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from domain.holds import HoldCode
from domain.order import Lane
from domain.outcomes import Hold, Later
from domain.steps import Subject
from infra.engine.results import Finished, Result
from infra.engine.write_outcomes import lock_subjects
from infra.process.steps import STEPS
from infra.tables.pool import Connection
from infra.tables.take_over import WatchedSubject, watched_fulfillment, watched_notices, watched_packages

# Seconds until the waiting work is tried again: the watch may have ended.
LOOK_AGAIN_S = 60.0

_FIND: dict[Subject, Callable[[Connection, str, Sequence[int]], list[WatchedSubject]]] = {
    Subject.PACKAGE: lambda tx, step, ids: watched_packages(tx, step, STEPS[step].works_in, ids),
    Subject.FULFILLMENT_ORDER: lambda tx, step, ids: watched_fulfillment(tx, STEPS[step].works_in, ids),
    Subject.NOTICE: lambda tx, _step, ids: watched_notices(tx, ids),
}


@dataclass(frozen=True, slots=True)
class WatchStop:
    """`accounts`: shops that this process's settings watch. Without any, nothing is asked of the database.

    Whether a shop is watched right now, the database says: a process with earlier settings stops no order of a shop
    that is live again.
    """

    accounts: frozenset[str] = frozenset()

    def stopped(self, tx: Connection, step: str, subject_ids: Sequence[int]) -> list[Result]:
        """One result for each subject that must not continue.

        An order before its shipment is held, so that a person decides who ships it, also after the watch. A package
        that we shipped already is written back once the watch has ended.
        """
        find = _FIND.get(STEPS[step].subject)
        if not self.accounts or find is None:
            return []
        watched = {one.subject_id: one.account for one in find(tx, step, subject_ids) if not one.is_asked_about}
        if not watched:
            return []
        now = lock_subjects(tx, step, Lane.P1, sorted(watched))
        if not STEPS[step].stops_order:
            return [Finished(ref, Later("shop_watched", after_s=LOOK_AGAIN_S)) for ref in now.values()]
        return [
            Finished(ref, Hold(HoldCode.SHOP_WATCHED, {"shop": watched[subject_id]})) for subject_id, ref in now.items()
        ]


NOBODY = WatchStop()
