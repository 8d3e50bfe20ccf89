"""English for each code that verbs and views return: a template by ``kind.code``, with facts as named placeholders.

A second language is a second mapping with the same keys. `ops.faces.terminal.words` fills the templates.
"""

from collections.abc import Mapping

from domain.cases import CASES
from domain.holds import HOLDS
from domain.retention import MEANING

_WHY = {
    "step_done": "{step} is done already",
    "order_closed": "the order is closed",
    "order_went_on": "the order went on to {state}",
    "order_went_back": "the order went back to {state}",
    "also_held": "also held by {holds}: release that first",
    "replayed_before": "replayed {replays} times before, and it died each time: fix the cause, then say --again",
    "replayed_before_in_bulk": "replayed {replays} times before: say --again",
    "worker_killed": "it killed its worker: replay it alone, by its number",
    "members_died_in_a_row": "the last {members} members died, the last of {of}",
    "many_members_died": "{died} of the last {members} members died, the last of {of}",
    "canary_died": "the canary died again of {of}",
    "defect": "defect: {type}",
    "turned_by_person": "by {by}: {reason}",
    "letter_closed": "{as} by {by} at {at}",
    "letter_open": "open",
    "message_open": "open; a message stands for no order, so there is nothing to replay: discard it",
    "letter_unknown": "unknown",
    "another_waybill": "the platform shows another waybill for this order",
    "unexpected_error": "{type}",
    "writeback_due": "not told yet: its write-back goes on",
}

_FORESEEN = {
    "runs_again": "{step} runs again",
    "asks_first": "{step} runs again and asks the courier for {reference} first",
    "courier_not_asked": "{step} runs again; the courier could not be asked now: {error}",
    "books": "the courier has nothing under {reference}: will book",
    "books_nothing": "the courier has nothing under {reference}: books nothing",
    "waybill_of_another": "the courier shows waybill {waybill}, which {order} has already: cannot be recorded, "
    "a person must ask",
    "adopts": "will adopt waybill {waybill}, books nothing",
    "records": "will record waybill {waybill}, books nothing",
}

_WAITS_FOR = {
    "person": "{owner}: {holds}",
    "day": "the day from which it ships: {day} (UTC+8)",
    "step": "{step}, which is due",
    "scans": "the warehouse's scans",
    "nothing": "nothing: `orderlane doctor` tells more",
}

# What an order in a list waits for.
_WAITING = {
    "person": "{owner}: {codes}",
    "person_of_letter": "{owner}: {codes} (dead letter {letter})",
    "step": "{step}, due",
    "step_since": "{step}, due since {span}",
    "step_in": "{step}, in {span}",
    "gate": "the gate of {gate}: {step}",
    "payment": "the buyer's payment",
    "warehouse": "the warehouse's scans",
    "courier": "the courier",
    "nothing": "–",
    "unknown": "nothing: `orderlane doctor` tells more",
}

_GATE = {
    "paused": "{reason}",
    "open": "its server failed several times in a row",
    "throttled": "it asked for patience",
    "recovering": "it answers again; calls come back step by step",
}

_IN_THE_WAY = {
    "letters_open": "has {letters} open dead letters",
    "not_read": "waits to be read",
    "not_ended": "is {states} and has not ended, or something of it is still due",
    "not_ended_and_held": "is {states} with {holds} open holds and has not ended, or something of it is still due",
}

_OUTCOME = {
    "agrees": "agrees",
    "nothing_there": "nothing there",
    "shipped_before": "shipped by us before the restore: its hold is released",
    "would_release": "shipped by us before the restore: its hold would be released",
    "adopted": "adopted",
    "would_adopt": "would be adopted",
    "later": "adopted when label may act",
    "voided": "second waybill voided",
    "would_void": "second waybill would be voided",
    "confirmed": "write-back adopted",
    "would_confirm": "write-back would be adopted",
    "gone": "booked here, not alive there",
    "contradicts": "another waybill under our reference",
    "not_voided": "second waybill not voided",
    "elsewhere": "the platform shows another waybill",
    "not_reached": "not reached",
}

_SAID = {
    "shown": "already shows it",
    "told": "told now",
    "would_tell": "would be told",
    "refused": "refused",
    "elsewhere": "shipped elsewhere",
    "not_reached": "not reached",
    "busy": "somebody else is at it",
}

# A code with variants has one template for each value of its fact `fault`.
_REFUSAL = {
    "account_unknown": "{account} is not configured",
    "bulk_state": "bulk {bulk} is {state} already",
    "bulk_unknown": "there is no bulk {bulk}",
    "case_not_open": "case {case}: {by} closed it at {at}",
    "case_unknown": "there is no case {case}",
    "courier_cannot_be_asked": "{courier} has no look-up: compare with its own list",
    "courier_cannot_find": "{account} has no look-up",
    "entry_not_open": "no open record has the number {entry}",
    "erasure_unknown": "there is no erasure {erasure}",
    "file_unreadable.column_missing": "the first line does not name the column {column} once",
    "file_unreadable.header_missing": "the first line must be: {header}",
    "file_unreadable.no_csv": "line {line} is no CSV: {error}",
    "file_unreadable.not_utf_8": "line {line} is not UTF-8: save the file as CSV UTF-8",
    "file_unreadable.nul_character": "line {line} holds a NUL character: it is no text file",
    "file_unreadable.too_large": "the file is larger than {mib_max} MiB",
    "file_unreadable.too_many_rows": "the file has more than {rows_max} rows",
    "filter_empty.cases": "all cases at once is no filter",
    "filter_empty.holds": "all holds at once is no filter",
    "filter_empty.orders": "all orders at once is no filter",
    "filter_malformed": "the {field} asked for is empty",
    "filter_empty": "name a cause, step, account, code or time: all letters at once is no filter",
    "gate_not_shut": "{kind} {name} is not shut",
    "gate_unknown": "no {kind} {name}; known are: {known}",
    "gate_unknown.none_known": "no {kind} {name}; known are: none",
    "hold_not_open": "order {order} is not held by {hold}",
    "hold_not_open.by_number": "hold {hold}: {by} released it at {at}",
    "hold_not_open.released": "order {order} is not held by {hold}: {by} released it at {at}",
    "hold_open": "order {order} is held by {hold} already",
    "hold_unknown": "there is no hold {hold}",
    "id_rounded": "a spreadsheet has rounded the {what} ({text}): format its column as text",
    "letter_closed": "dead letter {letter}: {ending}",
    "letter_not_discarded": "dead letter {letter}: {ending}; only a discarded one reopens",
    "letter_open": "dead letter {letters} stands behind it: replay or discard that",
    "letter_unknown": "there is no dead letter {letter}",
    "listing_not_mapped": "{listing} is not in the map",
    "listing_repeated": "line {line} says of the same listing",
    "name_malformed.empty": "the {what} is empty",
    "name_malformed.no_order_name": "a line is PLATFORM/SHOP/ORDER-ID, as `orderlane erase export` prints it",
    "name_malformed.too_long": "the {what} is longer than {characters_max} characters",
    "name_malformed.untidy": "the {what} holds control characters or needless spaces",
    "none_may_go": "none of {members} may go in bulk: they killed workers, or need --again",
    "none_may_go.none_to_do": "nothing would be done to any of them",
    "nothing_matches": "nothing passes",
    "nothing_matches.no_letter": "no open dead letter matches",
    "nothing_matches.no_order": "no order names one of these words",
    "order_ambiguous": "{id} may mean {orders}: say which",
    "order_ended": "order {order} is {states}",
    "order_forgotten": "{order} came in at {at}, never became an order, and was {forgotten} at {forgotten_at}",
    "order_in_flight": "{order} {in_the_way}: let it end, or stop it first; or ask with --when-ended, and it is erased "
    "after its end",
    "order_in_flight.others": "{order} {in_the_way}: let it end, or stop it first; or ask with --when-ended, and it is "
    "erased after its end; the same holds for {others} more",
    "order_left": "order {order} is {states}",
    "order_not_fetched.not_tried": "{order} was listed at {at}, but it was not tried yet ({error})",
    "order_not_fetched.tried": "{order} was listed at {at}, but fetching it failed {tries} times, last with {error}",
    "order_not_fetched.given_up": "{order} was listed at {at}, but fetching it failed {tries} times, last with {error} "
    "(dead letter {letter})",
    "order_not_normalized": "{order} came in at {at} and waits to be normalized",
    "order_quarantined": "{order} came in at {at} and could not be read: {reason} (dead letter {letter})",
    "order_unknown": "no order, waybill or payload is known as {id}",
    "order_unknown.unprintable": "no order, waybill or payload is known as this id",
    "payload_too_large": "more than {bytes_max} bytes",
    "phone_short": "name the last {digits_min} digits of the number or more, {digits_max} at most",
    "preview_changed": "bulk {bulk} is not as that preview has shown: look at it again",
    "preview_changed.count": "it would be done to {would}, not to {expected}: nothing is done",
    "reader_failed": "a defect of the reader",
    "reason_personal": "the reason names the person, and would be kept: say it without",
    "row_malformed": "{columns} columns instead of {wanted}",
    "shop_unknown": "shops are: {known}",
    "shop_unknown.none_known": "shops are: none is configured",
    "too_many": "more than {most} at once",
    "words_unusable": "a word has two characters at least, and is not masked",
    "writeback_confirmed": "the platform has confirmed it, or it is not to be told",
}

_EVENT = {
    "adopted": "begun by {by}, was {was}",
    "case_closed": "case {case} ({code}) closed by {by}",
    "case_opened": "case {case} ({code}) opened: {owner} must act",
    "clock_alarm": "{clock_used_percent} % of the time until its ship-by have passed",
    "clock_alarm.days_late": "still here, {days_late} days after its ship-by time",
    "hold_assigned": "hold {code} given from {was} to {owner} by {by}",
    "hold_opened": "hold {code}",
    "hold_opened.meaning": "hold {code}: {meaning}",
    "hold_released": "hold {code} released by {by}",
    "hold_snoozed": "snooze of hold {code} ended by {by}",
    "hold_snoozed.until": "hold {code} snoozed until {until} by {by}",
    "lane_chosen": "lane {lane} chosen by {by}",
    "letter_discarded": "dead letter {letter} discarded",
    "letter_discarded.by": "dead letter {letter} discarded by {by}",
    "letter_reopened": "dead letter {letter} opened again",
    "letter_reopened.by": "dead letter {letter} opened again by {by}",
    "letter_replayed": "dead letter {letter} replayed",
    "letter_replayed.by": "dead letter {letter} replayed by {by}",
    "letter_superseded": "dead letter {letter} closed: the order moved on without it",
    "lines_let_go": "{by} let go of {lines}",
    "move_refused": "move refused: not in the table of states",
    "payload_received": "payload received by {source}",
    "scan_contradicts": "the warehouse's scan contradicts the state: {code}",
    "skus_mapped": "by the listing map {lines}",
    "step_stopped": "stopped without effect",
}

# What facts of events and holds say, where the name of the fact is not plain.
_FACT = {
    "found_by": "found by {value}",
    "lines_off_minor": "lines differ from the payable sum by (minor units) {value}",
    "path": "wanted to go to {value}",
    "platform_state": "the platform shows it as {value}",
    "refunds": "refund of {value}",
    "rules": "rules {value}",
    "skus": "SKU {value}",
    "totals_off_minor": "goods less discount differ from the payable sum by (minor units) {value}",
    "other": "{name} {value}",
    "yes": "yes",
    "no": "no",
}

_PHRASE = {
    "adopted": "waybill {waybill} of {courier} (found there by our reference)",
    "amended": "content changed on the platform",
    "booked": "waybill {waybill} of {courier}",
    "confirmed_earlier": "the platform shows {waybill}, told by an earlier call",
    "confirmed_now": "the platform shows {waybill}",
    "closes_as_superseded": "{why}: closes as superseded",
    "act_failing": "five items in a row failed for a defect: see the log, then resume or cancel it",
    "assigned": "hold {hold} ({code}, order {order}) given from {was} to {owner}, due {due} (UTC+8)",
    "awake": "hold {hold} ({code}, order {order}) is not snoozed any more",
    "case_assigned": "case {case} ({kind}, order {order}) given from {was} to {owner}, due {due} (UTC+8)",
    "case_closed": "case {case} ({kind}, order {order}) is closed",
    "enters": "enters as {state}",
    "enters_because": "enters as {state}: {reason}",
    "expedited": "{what} moved from {was} to lane {lane}",
    "expedited_order": "order {order}",
    "expedited_payload": "what came in and waits to be read",
    "expedited_with": "{expedited}, with {steps}",
    "is_in_lane": "{what} is in lane {lane}",
    "held": "order {order} is held by {code}; {owner} must act by {due} (UTC+8)",
    "held_was": "order {order} is held by {code}, was {was}; {owner} must act by {due} (UTC+8)",
    "held_with_left": "{held}; parts that are {left} go on",
    "in_the_way": "{order} {in_the_way}: let it end, or stop it first; or ask with --when-ended, and it is erased "
    "after its end",
    "lane": "lane {lane}",
    "lane_with_points": "lane {lane} with {score} points",
    "left_alone": "nothing to do: {left_alone}",
    "notice": "{event} {notice}",
    "released": "{code} released",
    "released_without": "{code} released without {lines}, of which nothing is shipped",
    "released_still_held": "{released}; still held by {holds}",
    "released_goes_on": "{released}; the order is {state}",
    "released_goes_on_due": "{released}; the order is {state}, {steps} due now",
    "repeated": "known content again: nothing to do",
    "resumes": "resumes as {state}, {next_try}",
    "routed": "from {location} by {courier}",
    "snoozed": "hold {hold} ({code}, order {order}) is snoozed until {until} (UTC+8)",
    "stock": "stock {reservation}",
    "stock_of": "stock {reservation} ({skus})",
    "unreadable": "{account} {field}: {code}, of {of}",
    "unreadable_entry": "entry",
    "unreadable_of_sku": "SKU {sku}",
    "unreadable_of_nothing": "nothing known",
    "for_ever": "for ever",
    "days": "{days} days",
    "no_waybill": "no waybill",
    "nothing": "nothing",
    "and": "{first} and {second}",
}


def _of_kind(kind: str, templates: Mapping[str, str]) -> dict[str, str]:
    return {f"{kind}.{code}": template for code, template in templates.items()}


ENGLISH: Mapping[str, str] = {
    **_of_kind("why", _WHY),
    **_of_kind("foreseen", _FORESEEN),
    **_of_kind("waits_for", _WAITS_FOR),
    **_of_kind("waiting", _WAITING),
    **_of_kind("gate", _GATE),
    **_of_kind("in_the_way", _IN_THE_WAY),
    **_of_kind("outcome", _OUTCOME),
    **_of_kind("said", _SAID),
    **_of_kind("refusal", _REFUSAL),
    **_of_kind("event", _EVENT),
    **_of_kind("fact", _FACT),
    **_of_kind("phrase", _PHRASE),
    **_of_kind("hold", {code: rule.meaning for code, rule in HOLDS.items()}),
    **_of_kind("case", {code: rule.meaning for code, rule in CASES.items()}),
    **_of_kind("retention", {str(kind): meaning for kind, meaning in MEANING.items()}),
}
