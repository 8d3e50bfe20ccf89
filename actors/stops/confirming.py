"""A person confirms that the goods of a stopped order are still in the house, where no system can say so.

Everything happens in the caller's transaction, which has locked the fulfillment orders.
"""

from collections.abc import Sequence

from actors.stops.asking import STOPS, stop_work
from domain.states import Cause
from infra.engine.author import Author
from infra.engine.results import SubjectRef
from infra.engine.write_outcomes import Writes, event, write
from infra.queue.keys import BellKey
from infra.tables.orders import Locked
from infra.tables.placements import live_references, stop_documents
from infra.tables.pool import Connection
from infra.tables.stops import confirm_stops, open_stops


def confirm_in_house(tx: Connection, locked: Sequence[Locked], author: Author) -> tuple[list[int], set[BellKey]]:
    """The goods were found and put aside, and their documents go no further.

    Returns the fulfillment orders whose open stop goes on with that, and the bells to ring after the commit. What has
    left the house is left out: nobody can have found it.
    """
    shops = open_stops(tx, [one.id for one in locked if not one.has_left])
    confirmed = set(confirm_stops(tx, sorted(shops), author.who))
    stop_documents(tx, live_references(tx, sorted(confirmed)) if confirmed else [])
    writes = Writes()
    facts = {"by": author.who, "reason": author.reason}
    for one in locked:
        if one.id in confirmed:
            ref = SubjectRef(one.id, one.lane, one.order_id, one.id, None, one.state)
            writes.events.append(event(STOPS, ref, "goods_confirmed", Cause.PERSON, facts=facts))
            writes.added.append(stop_work(one.id, one.lane, shops[one.id]))
    write(tx, STOPS, writes)
    return sorted(confirmed), {BellKey(work.step, work.lane, work.account) for work in writes.added}
