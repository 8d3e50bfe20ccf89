"""Adopt orders that were kept out for another system: a person takes the responsibility that nobody else ships them."""

from collections.abc import Sequence

import psycopg

from actors.take_over import AT_ONCE, Adopted, Adoption, adopt, error_code
from domain.states import Cause
from infra.engine.author import Author
from infra.tables.audit import Verb
from infra.tables.pool import Database
from infra.telemetry.log import get_logger
from ops.verbs.change import change
from ops.views.looking import foreseeing

log = get_logger(__name__)


def adopt_orders(db: Database, order_ids: Sequence[int], author: Author, *, is_trial: bool = False) -> list[Adopted]:
    """Begin kept-out orders, some at a time, each part in a transaction of its own; what became of each.

    Safe to run twice: an order that is begun already is told as `not_kept_out`. An order that raises is told as
    `failed` and keeps no other from being begun. `is_trial`: nothing is changed. Raises psycopg.OperationalError when
    the database is away.
    """
    done: list[Adopted] = []
    for start in range(0, len(order_ids), AT_ONCE):
        some = order_ids[start : start + AT_ONCE]
        if is_trial:
            with foreseeing(db) as tx:
                done += adopt(tx, some, Cause.PERSON, {}, is_trial=True)
            continue
        try:
            done += _adopt(db, some, author)
        except Exception as error:
            if isinstance(error, psycopg.OperationalError) and not db.is_reachable():
                raise
            log.warning("adopt_batch_failed", size=len(some), error=type(error).__name__)
            done += [_adopt_alone(db, id_, author) for id_ in dict.fromkeys(some)]
    return done


def _adopt(db: Database, order_ids: Sequence[int], author: Author) -> list[Adopted]:
    with change(db, author) as made:
        adopted = adopt(made.tx, order_ids, Cause.PERSON, {"by": author.who, "reason": author.reason})
        for one in adopted:
            if one.outcome is Adoption.ADOPTED:
                made.note(Verb.ORDER_ADOPTED, f"order/{one.order_id}", {"state": one.was}, {"state": one.state})
        made.unchanged()
    return adopted


def _adopt_alone(db: Database, order_id: int, author: Author) -> Adopted:
    try:
        [adopted] = _adopt(db, [order_id], author)
    except Exception as error:
        if isinstance(error, psycopg.OperationalError) and not db.is_reachable():
            raise
        log.exception("order_not_adopted", order=order_id)
        return Adopted(order_id=order_id, outcome=Adoption.FAILED, why=error_code(error))
    return adopted
