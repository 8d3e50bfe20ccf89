"""Documents at a location of kind `own`. The state of a document is read from our own rows."""

from dataclasses import dataclass

from adapters.documents import DocumentProgress, Found
from domain.dispatch import PlacementStatus
from infra.tables.picking import document_progress
from infra.tables.pool import Database


@dataclass(frozen=True, slots=True)
class OwnDocuments:
    """Reads one document in a connection of its own."""

    db: Database

    def found(self, reference: str) -> Found | None:
        """How far the document is; None where it was not recorded as placed."""
        with self.db.connection() as connection:
            row = document_progress(connection, reference)
        if row is None or row.status is PlacementStatus.INTENDED:
            return None
        if row.status is PlacementStatus.REFUSED:
            return Found(reference, reference, DocumentProgress.REFUSED, row.code)
        if row.status is PlacementStatus.STOPPED:
            return Found(reference, reference, DocumentProgress.STOPPED)
        return Found(reference, reference, _progress(is_packed=row.is_packed, has_left=row.has_left))


def _progress(*, is_packed: bool, has_left: bool) -> DocumentProgress:
    if has_left:
        return DocumentProgress.HANDED_OVER
    return DocumentProgress.PACKED if is_packed else DocumentProgress.TAKEN
