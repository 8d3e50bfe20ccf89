"""Close an entry of a warehouse or platform that could not be read, once somebody has seen to it."""

from domain.errors import Conflict
from infra.engine.author import Author
from infra.tables.letters import record_acts
from infra.tables.pool import Database
from infra.tables.unreadable import UNREADABLE


def close(db: Database, number: int, author: Author) -> None:
    """Close one record. Raises Conflict ``entry_not_open``."""
    with db.transaction() as tx:
        if tx.execute(UNREADABLE["close_entry"], {"id": number, "by": author.who}).fetchone() is None:
            raise Conflict("entry_not_open", f"no open record has the number {number}")
        record_acts(tx, author.who, "entry_closed", author.reason, [(f"entry/{number}", {})])
