"""Settings of retention: how many days each kind is kept, and how much a feed may fill."""

from collections.abc import Mapping

import msgspec

from domain.retention import MOST_DAYS, Kind, why_refused


class Retention(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Days by kind; 0 keeps a kind for ever.

    `transit_days`: a package that was handed over so long ago counts as delivered. The purge runs `every_s`.
    `early_scans_max`: scans of nobody's package that are kept of one location. `contents_max`: contents of one order
    that are stored in a day. `pages_max_bytes`: bodies of a location's pages that are stored in a day. What is beyond
    is counted and told.
    """

    persons_days: int = 90
    transit_days: int = 30
    pages_days: int = 30
    early_scans_days: int = 30
    gaps_days: int = 30
    events_days: int = 400
    letters_days: int = 400
    bulks_days: int = 400
    entries_days: int = 400
    alarms_days: int = 400
    cases_days: int = 400
    every_s: float = 60.0
    early_scans_max: int = 10_000
    contents_max: int = 100
    pages_max_bytes: int = 4 * 1024**3

    def __post_init__(self) -> None:
        """Raise ValueError for days that could purge what is under way: a setting read from a file says where."""
        wrong = [why for kind, days in self.days.items() if (why := why_refused(kind, days))]
        limits = (self.early_scans_max, self.contents_max, self.pages_max_bytes)
        if self.transit_days < 1 or not self.every_s > 0 or min(limits) < 1:
            wrong.append("retention.transit_days, every_s and all limits are above 0")
        if self.transit_days > MOST_DAYS:
            wrong.append(f"retention.transit_days is at most {MOST_DAYS}")
        if wrong:
            raise ValueError("; ".join(wrong))

    @property
    def days(self) -> Mapping[Kind, int]:
        return {
            Kind.PERSONS: self.persons_days,
            Kind.PAGES: self.pages_days,
            Kind.EARLY_SCANS: self.early_scans_days,
            Kind.GAPS: self.gaps_days,
            Kind.EVENTS: self.events_days,
            Kind.LETTERS: self.letters_days,
            Kind.BULKS: self.bulks_days,
            Kind.ENTRIES: self.entries_days,
            Kind.ALARMS: self.alarms_days,
            Kind.CASES: self.cases_days,
        }
