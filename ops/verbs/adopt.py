"""Adopt orders that were kept out for another system: a person takes the responsibility that nobody else ships them."""

from collections.abc import Sequence

from actors.take_over import AT_ONCE, Adopted, Adoption, adopt
from domain.states import Cause
from infra.engine.author import Author
from infra.tables.audit import Verb
from infra.tables.pool import Database
from ops.verbs.change import change
from ops.views.looking import foreseeing


def adopt_orders(db: Database, order_ids: Sequence[int], author: Author, *, is_trial: bool = False) -> list[Adopted]:
    """Begin kept-out orders, some at a time, each part in a transaction of its own; what became of each.

    Safe to run twice: an order that is begun already is told as `not_kept_out`. `is_trial`: nothing is changed.
    """
    done: list[Adopted] = []
    facts = {"by": author.who, "reason": author.reason}
    for start in range(0, len(order_ids), AT_ONCE):
        some = order_ids[start : start + AT_ONCE]
        if is_trial:
            with foreseeing(db) as tx:
                done += adopt(tx, some, Cause.PERSON, facts, is_trial=True)
            continue
        with change(db, author) as made:
            adopted = adopt(made.tx, some, Cause.PERSON, facts)
            for one in adopted:
                if one.outcome is Adoption.ADOPTED:
                    made.note(Verb.ORDER_ADOPTED, f"order/{one.order_id}", {"state": one.was}, {"state": one.state})
            made.unchanged()
        done += adopted
    return done
