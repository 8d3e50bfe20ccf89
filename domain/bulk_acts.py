"""One verb on many items: the states of the whole and of each item, and what a preview is confirmed by."""

import hashlib
from collections.abc import Mapping
from enum import StrEnum

# So many items are taken at once. More: in several bulks.
ITEMS_MAX = 10_000
# Whoever works a bulk off stops when so many items in a row failed for a defect of ours.
FAILED_IN_A_ROW = 5
_TOKEN_LENGTH = 8


class ActState(StrEnum):
    DRAFT = "draft"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    CANCELLED = "cancelled"


class ItemState(StrEnum):
    """`refused`: the verb said no, with a code; `failed`: a defect of ours."""

    WAITING = "waiting"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"


def token_of(verb: str, params: Mapping[str, object], foreseen: Mapping[int, str]) -> str:
    """Stands for what a preview has shown: the verb, its parameters, and what would become of each item, by subject id.

    Another item, or another fate of one, is another token.
    """
    shown = [verb, *(f"{name}={params[name]}" for name in sorted(params))]
    shown += [f"{id_}:{foreseen[id_]}" for id_ in sorted(foreseen)]
    return hashlib.sha256("\n".join(shown).encode()).hexdigest()[:_TOKEN_LENGTH]
