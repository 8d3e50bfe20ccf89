"""How long each kind of data is kept: defaults, the shortest safe time, and which facts stay when a person is
forgotten.
"""

from collections.abc import Mapping
from enum import StrEnum


class Kind(StrEnum):
    """What a policy is about."""

    PERSONS = "persons"
    PAGES = "pages"
    EARLY_SCANS = "early_scans"
    GAPS = "gaps"
    EVENTS = "events"
    LETTERS = "letters"
    BULKS = "bulks"
    ENTRIES = "entries"
    ALARMS = "alarms"
    CASES = "cases"


KEEP = 0
"""Days of a kind that is kept for ever."""

LEAST_DAYS: Mapping[Kind, int] = {
    # A return within the platforms' week, and its refund, still find the address.
    Kind.PERSONS: 15,
    Kind.PAGES: 1,
    # A scan may come before the label of its package is recorded.
    Kind.EARLY_SCANS: 7,
    Kind.GAPS: 7,
    Kind.EVENTS: 30,
    Kind.LETTERS: 30,
    Kind.BULKS: 30,
    Kind.ENTRIES: 30,
    Kind.ALARMS: 30,
    # An event that comes again must find the case that it opened, or it opens a second one.
    Kind.CASES: 90,
}
"""A shorter policy is refused, so that nothing that is under way can be purged."""

MOST_DAYS = 36_500
"""A longer policy is refused: a database cannot count back as far as one likes. To keep a kind there is `KEEP`."""

MEANING: Mapping[Kind, str] = {
    Kind.PERSONS: "receivers, memos, buyer ids, raw payloads, answers of others, parcel events, after an order's end",
    Kind.PAGES: "warehouse pages as they came",
    Kind.EARLY_SCANS: "scans of nobody's package",
    Kind.GAPS: "listed orders that were given up and whose dead letter is closed",
    Kind.EVENTS: "the timeline of orders whose person was forgotten",
    Kind.LETTERS: "closed dead letters of orders whose person was forgotten",
    Kind.BULKS: "ended bulks, drafts of them, and what became of each item",
    Kind.ENTRIES: "closed records of entries that could not be read",
    Kind.ALARMS: "closed alarms",
    Kind.CASES: "closed cases",
}

# Keys of facts in holds and events that our own rules fill. Texts of other systems have other keys.
KEPT_FACTS = (
    "account",
    "adopted",
    "amended",
    "as",
    "by",
    "code",
    "courier",
    "event",
    "found_by",
    "lane",
    "left_alone",
    "letter",
    "location",
    "notice",
    "path",
    "platform_state",
    "reasons",
    "repeated",
    "reservation",
    "rule",
    "rules",
    "score",
    "skus",
    "state",
    "step",
    "told_now",
    "was",
    "waybill",
)


def why_refused(kind: Kind, days: int) -> str | None:
    """Why a policy is refused; None for one that is safe."""
    least = LEAST_DAYS[kind]
    if days == KEEP or least <= days <= MOST_DAYS:
        return None
    return f"retention.{kind}_days is {days}: it is {KEEP} (keep for ever), or from {least} to {MOST_DAYS}"


ERASURE_OWNER = "service"
ERASURE_DUE_DAYS = 15
"""Days until an erasure that waits for its order's end is late."""
