"""Close an entry of a warehouse or platform that could not be read, once somebody has seen to it."""

from domain.errors import Conflict
from infra.engine.author import Author
from infra.tables.audit import Verb
from infra.tables.pool import Database
from infra.tables.unreadable import UNREADABLE
from ops.verbs.change import change


def close(db: Database, number: int, author: Author) -> None:
    """Close one record. Raises Conflict ``entry_not_open``."""
    with change(db, author) as made:
        if made.tx.execute(UNREADABLE["close_entry"], {"id": number, "by": author.who}).fetchone() is None:
            raise Conflict("entry_not_open", facts={"entry": number})
        made.note(Verb.ENTRY_CLOSED, f"entry/{number}", {"state": "open"}, {"state": "closed"})
