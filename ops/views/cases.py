"""Cases, page by page, and one case with its order and package."""

from dataclasses import dataclass

from domain.errors import Refused
from infra.tables.cases import CaseFilter, CaseRow, list_cases, load_case
from infra.tables.pool import Database
from ops.views.looking import looking


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePage:
    """`more_after`: the case after which the next page begins; None: this was the last one."""

    cases: tuple[CaseRow, ...]
    more_after: int | None


def page_of_cases(db: Database, wanted: CaseFilter, *, is_open: bool = True, after: int = 0, limit: int) -> CasePage:
    """A page of the cases of a filter: open ones with the first due first, closed ones with the last closed first."""
    with looking(db) as tx:
        found = list_cases(tx, wanted, is_open=is_open, after=after, limit=limit + 1)
    return CasePage(cases=tuple(found[:limit]), more_after=found[limit - 1].id if len(found) > limit else None)


def view_case(db: Database, case: int) -> CaseRow:
    """A case by its number. Raises Refused ``case_unknown``."""
    with looking(db) as tx:
        found = load_case(tx, case)
    if found is None:
        raise Refused("case_unknown", facts={"case": case})
    return found
