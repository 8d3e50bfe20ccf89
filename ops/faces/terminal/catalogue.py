"""English for each code that verbs and views return: a template by ``kind.code``, with facts as named placeholders.

A second language is a second mapping with the same keys. `ops.faces.terminal.words` fills the templates.
"""

from collections.abc import Mapping

from domain.cases import CASES
from domain.holds import HOLDS
from domain.retention import MEANING
from ops.faces.terminal.change_words import CHANGES

_WHY = {
    "step_done": "{step} is done already",
    "order_closed": "the order is closed",
    "order_went_on": "the order went on to {state}",
    "order_went_back": "the order went back to {state}",
    "also_held": "also held by {holds}: release that first",
    "replayed_before": "replayed {replays} times before, without success: fix the cause, then use --again",
    "replayed_before_in_bulk": "replayed {replays} times before: use --again",
    "worker_killed": "this letter killed its worker: replay it alone, by its number",
    "members_died_in_a_row": "the last {members} members failed, the last one: {of}",
    "many_members_died": "{died} of the last {members} members failed, the last one: {of}",
    "canary_died": "the canary failed again: {of}",
    "defect": "defect: {type}",
    "turned_by_person": "by {by}: {reason}",
    "letter_closed": "{as} by {by} at {at}",
    "letter_open": "open",
    "message_open": "open; a message belongs to no order, so there is nothing to replay: discard the letter",
    "letter_unknown": "unknown",
    "another_waybill": "the platform shows another waybill for this order",
    "unexpected_error": "{type}",
    "writeback_due": "not written back yet: its write-back is still due",
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
    "nothing": "nothing: `orderlane doctor` says more",
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
    "unknown": "nothing: `orderlane doctor` says more",
}

_GATE = {
    "paused": "{reason}",
    "open": "its server failed several times in a row",
    "throttled": "its server asked to slow down",
    "recovering": "its server answers again; the number of calls rises step by step",
}

_IN_THE_WAY = {
    "letters_open": "has {letters} open dead letters",
    "not_read": "waits to be read",
    "not_ended": "is {states} and has not ended, or some of its work is still due",
    "not_ended_and_held": "is {states} with {holds} open holds and has not ended, or some of its work is still due",
}

# Scripts read the words of outcomes and of `said` in JSON: change them only with a notice in the CHANGELOG.
_OUTCOME = {
    "agrees": "agrees",
    "nothing_there": "nothing there",
    "shipped_before": "shipped by us before the restore: its hold is released",
    "would_release": "shipped by us before the restore: its hold would be released",
    "part_shipped": "a part was shipped by us before the restore: a person ships the rest",
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
    "held": "on hold: told after the release",
}

_SCANNED = {
    "accept": "accepted",
    "pack": "packed",
    "hand_over": "handed over",
    "unchanged": "was so already",
    "refused": "refused",
    "unanswered": "nothing was done",
}

# Why a scan of a package is not taken.
_WHY_NOT = {
    "document_refused": "the location has refused it: the order is routed anew",
    "document_stopped": "its document was stopped",
    "not_allocated": "the order is {state}: nothing is to be packed",
    "not_labelled": "its waybill is being booked: wait a moment",
    "not_our_location": "it lies at {location}, which scans in a system of its own",
    "order_changes": "the order changes right now: try again in a moment",
    "order_held": "the order is held by {holds}",
    "order_stopped": "the order is closed: put the goods back",
    "package_ambiguous": "several packages have this number: name one by its reference",
    "package_cancelled": "the package was cancelled: put the goods back",
    "package_unknown": "no waybill and no reference of ours",
    "refund_or_change": "the platform says: {holds}",
    "waybill_void": "the waybill was cancelled: print the new one",
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
    "file_unreadable.columns": "line {line} has not {wanted} columns",
    "file_unreadable.row": "line {line}: {error}",
    "file_unreadable.sku_repeated": "line {line} names a SKU again",
    "file_unreadable.column_missing": "the first line does not name the column {column} once",
    "file_unreadable.header_missing": "the first line must be: {header}",
    "file_unreadable.no_csv": "line {line} is no CSV: {error}",
    "file_unreadable.not_utf_8": "line {line} is not UTF-8: save the file as CSV UTF-8",
    "file_unreadable.nul_character": "line {line} holds a NUL character: it is no text file",
    "file_unreadable.too_large": "the file is larger than {mib_max} MiB",
    "file_unreadable.too_many_rows": "the file has more than {rows_max} rows",
    "filter_empty.cases": "name at least one filter: all cases at once is not allowed",
    "filter_empty.holds": "name at least one filter: all holds at once is not allowed",
    "filter_empty.orders": "name at least one filter: all orders at once is not allowed",
    "filter_malformed": "the filter {field} is empty",
    "filter_empty": "name a cause, step, account, code or time: all letters at once is not allowed",
    "gate_not_shut": "{kind} {name} is not paused or shut",
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
    "letter_open": "dead letter {letters} caused this hold: replay or discard the letter",
    "letter_unknown": "there is no dead letter {letter}",
    "listing_not_mapped": "{listing} is not in the map",
    "listing_repeated": "line {line} is about the same listing",
    "name_malformed.empty": "the {what} is empty",
    "name_malformed.no_order_name": "a line is PLATFORM/SHOP/ORDER-ID, as `orderlane erase export` prints it",
    "name_malformed.too_long": "the {what} is longer than {characters_max} characters",
    "name_malformed.untidy": "the {what} holds control characters or needless spaces",
    "none_may_go": "none of {members} may go in bulk: they killed workers, or need --again",
    "none_may_go.none_to_do": "no item would be changed",
    "nothing_matches": "nothing matches",
    "nothing_matches.no_letter": "no open dead letter matches",
    "nothing_matches.no_order": "no order names one of these words",
    "order_ambiguous": "{id} may mean {orders}: say which",
    "not_kept_out": "order {order} is not kept out for another system, or was adopted before",
    "nothing_to_ship": "nothing of order {order} is left to ship ({why})",
    "shipped_elsewhere": "the platform shows order {order} as shipped",
    "content_erased": "the content of order {order} was erased",
    "earlier_version_runs": "workers of an earlier version run, which would ship too much of it: stop them first",
    "order_ended": "order {order} is {states}",
    "order_forgotten": "{order} came in at {at}, never became an order, and was {forgotten} at {forgotten_at}",
    "order_in_flight": "{order} {in_the_way}: let it end, or stop it first; or use --when-ended: it is then erased "
    "after its end",
    "order_in_flight.others": "{order} {in_the_way}: let it end, or stop it first; or use --when-ended: it is then "
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
    "pieces_malformed": "pieces are a whole number from 0 to {pieces_max}",
    "phone_short": "name the last {digits_min} digits of the number or more, {digits_max} at most",
    "preview_changed": "bulk {bulk} would no longer end as its preview has shown: look at the new preview",
    "preview_changed.count": "{would} items would be changed, not {expected}: nothing is done",
    "reader_failed": "a defect of the reader",
    "reason_personal": "the reason names the person, and reasons are kept: write it without the name",
    "row_malformed": "{columns} columns instead of {wanted}",
    "shop_unknown": "shops are: {known}",
    "shop_unknown.none_known": "shops are: none is configured",
    "shop_watched": "{shop} is only watched: its platform is told nothing before the watch ends",
    "too_many": "more than {most} at once",
    "words_unusable": "a word must have at least two characters and must not be masked",
    "writeback_confirmed": "the platform has confirmed this write-back, or it needs none",
}

_EVENT = {
    "adopted": "adopted by {by}, was {was}",
    "case_closed": "case {case} ({code}) closed by {by}",
    "case_opened": "case {case} ({code}) opened: {owner} must act",
    "clock_alarm": "{clock_used_percent} % of the time until its ship-by time has passed",
    "clock_alarm.days_late": "still here, {days_late} days after its ship-by time",
    "handed_over": "handed over with waybill {waybill}; in transit once the courier tells of it",
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
    "lines_let_go": "{by} let the order go without {lines}",
    "move_refused": "move refused: not in the table of states",
    "package_told": "the warehouse has packed {waybill} of {courier}",
    "packages_differ": "what the warehouse's packages hold is not what its lines say",
    "payload_received": "payload received by {source}",
    "scan_contradicts": "the warehouse's scan contradicts the state: {code}",
    "skus_mapped": "by the listing map {lines}",
    "step_stopped": "step stopped without effect",
}

_PARCEL = {
    "collected": "collected",
    "departed": "on its way",
    "at_hub": "at a hub",
    "out_for_delivery": "out for delivery",
    "at_locker": "in a locker or shop",
    "delivered": "signed for",
    "attempt_failed": "not delivered, tried",
    "refused": "refused by the buyer",
    "returning": "on its way back",
    "returned": "back at the sender",
    "forwarded": "sent on under another number",
    "lost": "lost or destroyed",
    "other": "told under a code that says nothing of the way",
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
    "confirmed_earlier": "the platform shows {waybill}, written back by an earlier call",
    "confirmed_now": "the platform shows {waybill}",
    "closes_as_superseded": "{why}: closes as superseded",
    "act_failing": "five items in a row failed for a defect: see the log, then resume or cancel it",
    "assigned": "hold {hold} ({code}, order {order}) given from {was} to {owner}, due {due} (UTC+8)",
    "awake": "hold {hold} ({code}, order {order}) is no longer snoozed",
    "case_assigned": "case {case} ({kind}, order {order}) given from {was} to {owner}, due {due} (UTC+8)",
    "case_closed": "case {case} ({kind}, order {order}) is closed",
    "enters": "enters as {state}",
    "enters_because": "enters as {state}: {reason}",
    "expedited": "{what} moved from {was} to lane {lane}",
    "expedited_order": "order {order}",
    "expedited_payload": "a stored payload that waits to be read",
    "expedited_with": "{expedited}, with {steps}",
    "is_in_lane": "{what} is in lane {lane}",
    "held": "order {order} is held by {code}; {owner} must act by {due} (UTC+8)",
    "held_was": "order {order} is held by {code}, was {was}; {owner} must act by {due} (UTC+8)",
    "held_with_left": "{held}; its parts in state {left} continue",
    "in_the_way": "{order} {in_the_way}: let it end, or stop it first; or use --when-ended: it is then erased "
    "after its end",
    "order_adopted": "order {order} is adopted and {state}",
    "lane": "lane {lane}",
    "lane_with_points": "lane {lane} with {score} points",
    "left_alone": "nothing to do: {left_alone}",
    "notice": "{event} {notice}",
    "released": "{code} released",
    "released_without": "{code} released without {lines}, which are not shipped",
    "released_still_held": "{released}; still held by {holds}",
    "released_goes_on": "{released}; the order is {state}",
    "released_goes_on_due": "{released}; the order is {state}, {steps} due now",
    "repeated": "the same content again: nothing to do",
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
    **_of_kind("scanned", _SCANNED),
    **_of_kind("why_not", _WHY_NOT),
    **_of_kind("refusal", _REFUSAL),
    **_of_kind("event", _EVENT),
    **_of_kind("parcel", _PARCEL),
    **_of_kind("fact", _FACT),
    **_of_kind("phrase", _PHRASE),
    **{key: said for kind, templates in CHANGES.items() for key, said in _of_kind(kind, templates).items()},
    **_of_kind("hold", {code: rule.meaning for code, rule in HOLDS.items()}),
    **_of_kind("case", {code: rule.meaning for code, rule in CASES.items()}),
    **_of_kind("retention", {str(kind): meaning for kind, meaning in MEANING.items()}),
}
