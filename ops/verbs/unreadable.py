"""Close an entry of a warehouse or platform that could not be read, once somebody has seen to it."""

from domain.errors import Conflict
from infra.engine.author import Author
from infra.tables.audit import Verb
from infra.tables.pool import Database
from infra.tables.unreadable import close_entry
from ops.verbs.change import change


def close(db: Database, number: int, author: Author) -> None:
    """Close one record. Raises Conflict ``entry_not_open``."""
    with change(db, author) as made:
        if not close_entry(made.tx, number, author.who):
            raise Conflict("entry_not_open", facts={"entry": number})
        made.note(Verb.ENTRY_CLOSED, f"entry/{number}", {"state": "open"}, {"state": "closed"})
