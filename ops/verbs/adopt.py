"""Adopt orders that were kept out for another system: a person takes the responsibility that nobody else ships them."""

from collections.abc import Sequence

from actors.take_over import AT_ONCE, Adopted, Adoption, adopt
from domain.states import Cause
from infra.engine.author import Author
from infra.tables.letters import record_acts
from infra.tables.pool import Database


def adopt_orders(db: Database, order_ids: Sequence[int], author: Author, *, is_trial: bool = False) -> list[Adopted]:
    """Begin kept-out orders, some at a time, each part in a transaction of its own; what became of each.

    Safe to run twice: an order that is begun already is told as `not_kept_out`. `is_trial`: nothing is changed.
    """
    done: list[Adopted] = []
    facts = {"by": author.who, "reason": author.reason}
    for start in range(0, len(order_ids), AT_ONCE):
        with db.transaction() as tx:
            some = adopt(tx, order_ids[start : start + AT_ONCE], Cause.PERSON, facts, is_trial=is_trial)
            if not is_trial:
                acts = [
                    (f"order/{one.order_id}", {"was": one.was, "state": one.state})
                    for one in some
                    if one.outcome is Adoption.ADOPTED
                ]
                record_acts(tx, author.who, "order_adopted", author.reason, acts)
        done += some
    return done
