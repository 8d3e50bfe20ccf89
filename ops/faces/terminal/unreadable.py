"""Entries that could not be read, on a terminal."""

from infra.tables.unreadable import Unreadable
from ops.faces.terminal.words import WORDS


def entry_in_words(entry: Unreadable) -> str:
    """Where the entry stands, and what it speaks of."""
    of_sku = WORDS.say("phrase.unreadable_of_sku", {"sku": entry.sku}) if entry.sku else None
    of = entry.order_name or of_sku or WORDS.say("phrase.unreadable_of_nothing")
    field = entry.field or WORDS.say("phrase.unreadable_entry")
    return WORDS.say("phrase.unreadable", {"account": entry.account, "field": field, "code": entry.code, "of": of})
