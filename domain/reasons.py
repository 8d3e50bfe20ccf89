"""A reason as a code and facts. The page or command that shows it adds the words."""

import json
import re
from dataclasses import dataclass, field

from domain.errors import Facts

_STORED = re.compile(r"(?P<code>[a-z][a-z0-9_]*)(?P<facts> \{.*\})?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Reason:
    """`code` is stable snake_case; `facts` are names, codes and numbers, without personal data."""

    code: str
    facts: Facts = field(default_factory=dict)

    def stored(self) -> str:
        """As a text column keeps it: the code, then the facts in JSON if there are any."""
        facts = json.dumps(dict(self.facts), ensure_ascii=False) if self.facts else ""
        return f"{self.code} {facts}".rstrip()


def read_reason(text: str) -> Reason | None:
    """What `Reason.stored` wrote; None for a text that is no stored reason, such as a person's own words."""
    match = _STORED.fullmatch(text)
    if match is None:
        return None
    try:
        facts = json.loads(match["facts"]) if match["facts"] else {}
    except ValueError:
        return None
    return Reason(match["code"], facts)
