"""One verb on many items: the states of the bulk act and of each item, and the token that confirms a preview."""

import hashlib
from collections.abc import Mapping
from enum import StrEnum

# The most items of one bulk act. More items need several bulk acts.
ITEMS_MAX = 10_000
# The worker of a bulk act stops when this many items in a row failed for a defect of ours.
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
    """A digest of a preview: of the verb, its parameters, and the expected result of each item by subject id.

    Another item, or another result of one item, gives another token.
    """
    shown = [verb, *(f"{name}={params[name]}" for name in sorted(params))]
    shown += [f"{id_}:{foreseen[id_]}" for id_ in sorted(foreseen)]
    return hashlib.sha256("\n".join(shown).encode()).hexdigest()[:_TOKEN_LENGTH]
