"""Each verb of a bulk act foresees what it does, does it, and refuses what it foresaw to refuse."""

import pytest

from domain.errors import FulfilmentError, Refused
from ops.verbs.bulk_acts import confirm, work_off
from ops.verbs.change import change
from ops.verbs.hold_orders import hold
from ops.verbs.many import VERBS
from ops.verbs.many_changes import CHANGES
from ops.verbs.stop_orders import stop
from tests.actors.bulk_items import LI, MANUAL, ids, items, make
from tests.actors.ended import CASE, ENDED, LETTER

CHANGES_UNDER_WAY = {one.name for one in CHANGES}
# A second part of an order, with half of a line of two pieces.
SECOND_PART = """
WITH sold AS (UPDATE order_line SET quantity = 2, planned = 2 WHERE order_id = %s RETURNING order_id, line_id),
part AS (INSERT INTO fulfillment_order (order_id, number, state, lane) VALUES (%s, 2, 'paid', 'bulk') RETURNING id)
INSERT INTO fulfillment_line (fulfillment_order_id, order_id, line_id, quantity)
SELECT part.id, sold.order_id, sold.line_id, 1 FROM sold, part
"""


def prepared_for_change(merchant, verb):
    """As `prepared_for`, of the changes of orders under way."""
    first = ids(merchant)[0]
    if verb in {"order.relabel", "order.reroute", "package.void"}:
        merchant.flow("label")
    if verb == "order.unsplit":
        merchant.rows(SECOND_PART, first, first)
    if verb == "package.void":
        stop(merchant.db, first, LI)
        return {}, merchant.one("SELECT min(id) FROM package")
    return {}, first


def prepared_for(merchant, verb):
    """What makes the verb able to act on the first order, its parameters, and the item."""
    first = ids(merchant)[0]
    if verb in {"order.release", "hold.assign", "hold.snooze"}:
        hold(merchant.db, first, "manual", LI)
    if verb in {"hold.assign", "hold.snooze"}:
        return {"owner": "zhao", "until": "2030-01-01T00:00:00+00:00"}, merchant.one("SELECT id FROM hold")
    if verb == "order.adopt":
        merchant.rows(ENDED.replace("'x'", "'not_taken_over'") + "WHERE order_id = %s", first)
    if verb in {"order.adopt", "order.release"}:
        return (MANUAL if verb == "order.release" else {}), first
    if verb in {"case.assign", "case.close"}:
        return {"owner": "zhao"}, merchant.one(CASE, first)
    if verb == "letter.discard":
        merchant.rows(LETTER)
        return {}, merchant.one("SELECT id FROM dead_letter")
    if verb == "writeback.retry":
        merchant.flow("label")
        merchant.platform.errors["tell"] = [Refused("not_allowed", "no")] * 5
        merchant.scan("accepted", "packed", "handed_over")
        merchant.run("writeback")
        assert "writeback_refused" in merchant.holds()
        return {}, merchant.one("SELECT min(package_id) FROM writeback")
    return {"lane": "p0", **MANUAL}, first


@pytest.mark.parametrize("name", VERBS)
def test_each_verb_foresees_what_it_does_once_and_what_it_refuses_then(five, name):
    verb = VERBS[name]
    prepare = prepared_for_change if name in CHANGES_UNDER_WAY else prepared_for
    params, subject = prepare(five, name)
    for is_first in (True, False):
        if not is_first and name in {"order.expedite", "hold.assign", "hold.snooze"}:
            five.rows("UPDATE hold SET released_at = now(), released_by = 'x'")
            five.rows(ENDED)
        if not is_first and name == "case.assign":
            five.rows("UPDATE order_case SET closed_at = now(), closed_by = 'x'")
        if not is_first and name == "writeback.retry":
            five.run("writeback")
        if not is_first and name == "package.void":
            five.run("void")
        bulk = make(five, verb, params, [subject])
        [(foreseen, _)] = bulk.foreseen.items()
        assert (foreseen == verb.done) is is_first, bulk.foreseen
        if is_first:
            confirm(five.db, bulk.id, bulk.token, LI)
            work_off(five.db, bulk.id)
            [one] = items(five, bulk)
            assert (one.state, one.code) == ("done", verb.done)
        else:
            with pytest.raises(FulfilmentError) as caught, change(five.db, LI) as made:
                verb.act(made, subject, params, LI, verb.prepare(five.db, subject, params, LI))
            assert caught.value.code == foreseen


def test_a_write_back_that_was_put_back_is_told(five):
    params, subject = prepared_for(five, "writeback.retry")
    bulk = make(five, VERBS["writeback.retry"], params, [subject])
    confirm(five.db, bulk.id, bulk.token, LI)
    work_off(five.db, bulk.id)
    five.platform.errors.clear()
    five.run("writeback")
    assert five.one("SELECT status FROM writeback WHERE package_id = %s", subject) == "confirmed"
