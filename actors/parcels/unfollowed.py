"""The sweeper's duty about parcels that have left and that nobody follows: a worker of an earlier version stored their
hand-over, or their courier account is followed only since.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from infra.queue.keys import BellKey, Bells
from infra.tables.pool import Database
from infra.tables.tracking import follow_forgotten
from infra.telemetry.log import get_logger

# Due at once; the others follow in the next rounds.
_AT_ONCE = 500
# Packages that are looked at, the newest.
_NEWEST = 100_000

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class UnfollowedParcels:
    """Safe to run twice and side by side: a parcel that is followed already stays as it is.

    `accounts`: for each courier account that is asked about parcels, the account of its questions. `give_up_s`: a
    parcel that old is not asked about any more.
    """

    db: Database
    bells: Bells
    accounts: Mapping[str, str]
    give_up_s: float

    def tend(self) -> int:
        """Follow what nobody follows; how many parcels that were."""
        if not self.accounts:
            return 0
        with self.db.transaction() as tx:
            found = follow_forgotten(tx, self.accounts, newest=_NEWEST, within_s=self.give_up_s, limit=_AT_ONCE)
        if found:
            log.info("parcels_followed_late", parcels=len(found))
        self.bells.ring({BellKey("track", lane, account) for lane, account in found})
        return len(found)
