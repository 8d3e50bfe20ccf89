"""Exit codes, and how an error of ours becomes one."""

from enum import IntEnum

from domain.errors import FulfilmentError, Poison, Throttled, Transient


class Exit(IntEnum):
    """The exit codes; scripts may rely on them."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    HELD = 3
    QUARANTINED = 4
    REFUSED = 5
    PARTLY = 6
    UNREACHABLE = 7


# Error codes whose exit code differs from the one of their class.
_BY_CODE = {
    "bulk_state": Exit.REFUSED,
    "case_not_open": Exit.REFUSED,
    "case_unknown": Exit.USAGE,
    "cause_ambiguous": Exit.REFUSED,
    "content_erased": Exit.REFUSED,
    "cause_malformed": Exit.USAGE,
    "order_ambiguous": Exit.USAGE,
    "earlier_version_runs": Exit.REFUSED,
    "entry_not_open": Exit.REFUSED,
    "order_in_flight": Exit.REFUSED,
    "order_left": Exit.REFUSED,
    "reason_personal": Exit.REFUSED,
    "words_unusable": Exit.USAGE,
    "name_malformed": Exit.USAGE,
    "erasure_unknown": Exit.USAGE,
    "filter_empty": Exit.USAGE,
    "filter_malformed": Exit.USAGE,
    "channel_unknown": Exit.USAGE,
    "courier_unknown": Exit.USAGE,
    "gate_not_shut": Exit.REFUSED,
    "gate_unknown": Exit.USAGE,
    "hold_not_open": Exit.REFUSED,
    "hold_open": Exit.REFUSED,
    "hold_unknown": Exit.USAGE,
    "instance_running": Exit.REFUSED,
    "instance_silent": Exit.UNREACHABLE,
    "file_unreadable": Exit.USAGE,
    "letter_closed": Exit.REFUSED,
    "letter_not_discarded": Exit.REFUSED,
    "letter_open": Exit.REFUSED,
    "stop_open": Exit.REFUSED,
    "listing_not_mapped": Exit.REFUSED,
    "none_may_go": Exit.REFUSED,
    "nothing_left": Exit.REFUSED,
    "not_kept_out": Exit.REFUSED,
    "nothing_matches": Exit.REFUSED,
    "nothing_to_ship": Exit.REFUSED,
    "order_ended": Exit.REFUSED,
    "preview_changed": Exit.REFUSED,
    "phone_short": Exit.USAGE,
    "pieces_malformed": Exit.USAGE,
    "platform_unknown": Exit.USAGE,
    "rules_missing": Exit.USAGE,
    "settings_exist": Exit.REFUSED,
    "shipped_elsewhere": Exit.REFUSED,
    "settings_missing": Exit.USAGE,
    "shop_unknown": Exit.USAGE,
    "shops_missing": Exit.USAGE,
    "too_many": Exit.USAGE,
    "address_incomplete": Exit.REFUSED,
    "address_malformed": Exit.USAGE,
    "address_unchanged": Exit.REFUSED,
    "label_outdated": Exit.REFUSED,
    "line_unknown": Exit.USAGE,
    "lines_not_here": Exit.REFUSED,
    "not_labelled": Exit.REFUSED,
    "not_split": Exit.REFUSED,
    "nothing_left_behind": Exit.REFUSED,
    "nothing_to_relabel": Exit.REFUSED,
    "nothing_to_reroute": Exit.REFUSED,
    "order_bound": Exit.REFUSED,
    "order_comes_back": Exit.REFUSED,
    "order_routed": Exit.REFUSED,
    "package_ambiguous": Exit.USAGE,
    "package_at_warehouse": Exit.REFUSED,
    "package_left": Exit.REFUSED,
    "refund_open": Exit.REFUSED,
    "stop_not_open": Exit.REFUSED,
    "stop_not_ours": Exit.REFUSED,
    "stopped_told": Exit.REFUSED,
    "waybill_lives": Exit.REFUSED,
    "waybill_of_warehouse": Exit.REFUSED,
    "waybill_void": Exit.REFUSED,
    "waybill_wanted": Exit.REFUSED,
    "vectors_unreadable": Exit.USAGE,
}


def exit_of(error: FulfilmentError) -> Exit:
    """The exit code of a command that ended with `error`."""
    if error.code in _BY_CODE:
        return _BY_CODE[error.code]
    if isinstance(error, Poison):
        return Exit.QUARANTINED
    if isinstance(error, Transient | Throttled):
        return Exit.UNREACHABLE
    return Exit.FAILED
