"""English of the changes of orders under way, and of stops: templates by kind and code, a part of the catalogue."""

from collections.abc import Mapping

# Why a change of an order is not made. Each names what to do instead, where something can be done.
_REFUSAL = {
    "address_incomplete": "the address lacks {fields}; of a receiver that the platform hides, all of them are needed",
    "address_malformed.field": "no field {field}; fields are: {known}",
    "address_malformed.value": "{field} is longer than {characters_max} characters, or holds control characters",
    "address_unchanged": "that is the order's address already",
    "label_outdated": "order {order} has a label, or may have one, from before the change ({changed}), and it "
    "must not travel: `order relabel {order} --reason R` books another to the present address, `order stop {order} "
    "--reason R` ends the order",
    "line_unknown": "the order has no line {line}; lines are: {known}",
    "lines_not_here": "no part of order {order} that can still be changed has {lines}",
    "not_labelled": "package {package} of order {order} has no waybill",
    "not_split": "order {order} has no two parts that are still to be routed",
    "nothing_left_behind": "a part keeps at least one line: name fewer lines",
    "nothing_to_relabel": "no package of order {order} has a waybill: it will be booked to the present address",
    "nothing_to_reroute": "order {order} is not routed yet: the location is still to be chosen",
    "order_bound": "a courier or a warehouse has something of order {order}, or may have: `order stop {order} "
    "--reason R` stops and closes it",
    "order_comes_back": "order {order} is in after-sale: once nothing of it is open, `order close {order} --reason R`",
    "order_left.change": "order {order} is {states}, so nothing of it can be changed here any more: `order "
    "stop {order} --reason R` asks the courier to bring it back",
    "order_routed": "order {order} is routed: `order hold {order} --reason R`, then `order reroute {order} "
    "--reason R` takes it back to paid; change it then, and release the hold",
    "package_ambiguous": "{name} may mean several packages: name one by its reference",
    "package_at_warehouse": "a warehouse has the parcel of {waybill} and may still ship it: the stop of order {order} "
    "cancels it once that is confirmed, see `order show {order}`; --at-courier says that it is cancelled already",
    "package_left": "{waybill} has left the house, and is not cancelled any more: `order stop {order} "
    "--reason R` asks {courier} to bring it back",
    "package_unknown": "no waybill and no reference of ours is {name}",
    "refund_open": "the buyer of order {order} wants the money back, or the trade is closed: `order stop "
    "{order} --reason R` ends the order; with --despite-refund this release ships it all the same",
    "stop_not_open": "no stop of order {order} is open",
    "stop_not_ours": "the platform asks for this stop of order {order}: it is withdrawn there, with the "
    "refund, and then ends here by itself",
    "stop_open": "order {order} is being stopped: `order show {order}` says where that stands",
    "stop_open.release": "order {order} is being stopped, and the hold ends with that: `order show {order}` "
    "says where it stands; `order stop {order} --withdraw --reason R` takes back a stop that a person has asked for",
    "stopped_told": "the platform was told that the goods of order {order} stay here, and pays the money back: "
    "`order stop {order} --reason R` ends the order",
    "waybill_lives": "{waybills} of order {order} can still travel: `package void {waybills} --reason R` "
    "cancels it at its courier, with --at-courier where it is cancelled there already",
    "waybill_of_warehouse": "the warehouse has booked {waybill}, and cancels it with the order's document",
    "waybill_void": "{waybill} is cancelled already",
    "waybill_wanted": "order {order} still ships with {waybill}: `order relabel {order} --reason R` books "
    "another in its place, `order stop {order} --reason R` keeps the order from leaving",
}

_EVENT = {
    "address_corrected": "address corrected by {by}",
    "goods_confirmed": "{by} says that the goods are in the house",
    "part_made": "made a part of its own by {by}",
    "parts_joined": "other parts joined to this one by {by}",
    "stop_asked": "stop asked by {by} ({why}), to {goal}",
    "stop_withdrawn": "stop withdrawn; the order goes on {goes_on}",
}

_PHRASE = {
    "acts_follow": "{said}. Next: {acts}. `orderlane order show {order}` says where it stands",
    "acts_would_follow": "{said}. Then: {acts}",
    "close_asked": "order {order} is being closed",
    "close_would": "order {order} would be closed",
    "confirm_asked": "the goods of order {order} are noted as in the house; its stop goes on",
    "confirm_would": "the goods of order {order} would be noted as in the house",
    "corrected_asked": "the address of order {order} is corrected: {fields}",
    "corrected_released": "{said}; {holds} released",
    "corrected_would": "the address of order {order} would be corrected: {fields}",
    "of_parts": "{said}, {parts} only",
    "relabel_asked": "order {order} gets other waybills",
    "relabel_would": "order {order} would get other waybills",
    "reroute_asked": "order {order} is taken from its location",
    "reroute_would": "order {order} would be taken from its location",
    "settled_asked": "{waybill} of {courier} is noted as cancelled there",
    "settled_would": "{waybill} of {courier} would be noted as cancelled there",
    "split_asked": "{pieces} of order {order} are part {part} now, {state}",
    "split_would": "{pieces} of order {order} would become part {part}",
    "stop_asked_by": "{why} (by {by}, {at} UTC+8)",
    "stop_ended": "{end} ({at} UTC+8)",
    "stop_then_close": "the order closes, or goes to after-sale if its parcel comes back",
    "stop_then_rebuild": "the order begins anew from paid",
    "stop_asked": "order {order} is being stopped",
    "stop_would": "order {order} would be stopped",
    "unsplit_asked": "order {order} is in part {part} again, with {pieces}; it is {state}",
    "unsplit_would": "{pieces} of order {order} would move into part {part}",
    "void_asked": "{courier} is asked to cancel {waybill}; `orderlane order show {order}` says what it answered",
    "void_would": "{courier} would be asked to cancel {waybill}",
    "withdraw_asked": "the stop of order {order} is taken back; the order goes on, or is made anew where "
    "something was stopped already",
    "withdraw_would": "the stop of order {order} would be taken back",
}

# What a stop does next.
_STOP_ACT = {
    "close": "close it, with its stock back",
    "intercept": "ask the courier to bring the parcel back",
    "rebuild": "begin it anew from paid",
    "recall": "have the warehouse stop it",
    "settle": "find out what a call that nobody answered has done",
    "void": "cancel its waybills",
}

# Where an open stop stands.
_STOP_RUNG = {
    "": "it has just been asked for",
    "ask_courier": "it is not known whether the courier has booked a waybill: it is asked",
    "ask_warehouse": "it is not known whether the warehouse has the order: it is asked",
    "confirm": "the warehouse cannot be asked: a person says that the goods stay in the house",
    "intercept": "the parcel has left, or will: its courier is asked to bring it back",
    "recall": "the warehouse is asked to stop the order, and has not confirmed that",
    "void": "the courier is asked to cancel the waybill",
    "void_by_hand": "the courier has refused to cancel the waybill: a person settles that with the courier",
}

# Who must act, and what moves the stop on.
_STOP_ACTOR = {
    "": "nobody: the next step begins by itself",
    "ask_courier": "nobody: the answer of the courier moves it on",
    "ask_warehouse": "nobody: the answer of the warehouse moves it on",
    "confirm": "a person at the location",
    "intercept": "the courier: its answer or its tracking moves it on",
    "recall": "the warehouse: its answer or its next event moves it on",
    "void": "nobody: the answer of the courier moves it on",
    "void_by_hand": "logistics",
}

# How a stop has ended.
_NO_RETURN = {
    "hand_over": "the hand-over to the courier: afterwards it can only be brought back",
    "delivery": "the delivery: afterwards nothing brings the parcel back but the buyer",
    "passed": "has passed: the parcel is delivered",
}

_STOP_END = {
    "coming_back": "coming back: the courier has confirmed its return",
    "stopped": "stopped: nothing of it leaves",
    "too_late": "too late: the goods travel all the same, and a case is open for that",
    "withdrawn": "withdrawn: nobody asks for it any more",
}

# Why it was asked for.
_STOP_WHY = {
    "address_changed": "the address is another one now",
    "closed_by_platform": "the trade is closed on the platform",
    "person": "a person wants it",
    "refund_asked": "the buyer asks for the money back",
    "refund_paid": "the money was paid back",
    "relabel": "a person wants another waybill",
    "reroute": "a person wants another location",
    "withdrawn": "it was taken back after a call had gone out: the order is made anew",
}

# What a person can do about an order.
_ADVICE = {
    "approve": "checked, it may go",
    "close": "end it: nothing of it is outside",
    "close_case": "the case is settled",
    "confirm": "the goods are found and stay in the house: the stop goes on",
    "correct_address": "correct the address",
    "discard": "give the dead letter up",
    "relabel": "book another waybill, to the present address",
    "release": "settled, the order goes on",
    "replay": "the cause is repaired, try again",
    "ship": "ship it all the same",
    "stop": "end it, wherever its goods are",
    "void": "cancel the waybill at its courier again",
    "void_settled": "the courier has cancelled it, by phone or in its own tool",
    "withdraw": "take the stop back",
}

# The command for each.
_COMMAND = {
    "approve": "order release {subject} --code {code} --reason R",
    "close": "order close {subject} --reason R",
    "close_case": "case close {subject} --reason R",
    "confirm": "order stop {subject} --goods-here --reason R",
    "correct_address": "order correct-address {subject} --from FILE --reason R",
    "discard": "dlq discard {subject} --reason R",
    "relabel": "order relabel {subject} --reason R",
    "release": "order release {subject} --code {code} --reason R",
    "replay": "dlq replay {subject} --reason R",
    "ship": "order release {subject} --code {code} --despite-refund --reason R",
    "stop": "order stop {subject} --reason R",
    "void": "package void {subject} --reason R",
    "void_settled": "package void {subject} --at-courier --reason R",
    "withdraw": "order stop {subject} --withdraw --reason R",
}

CHANGES: Mapping[str, Mapping[str, str]] = {
    "refusal": _REFUSAL,
    "event": _EVENT,
    "phrase": _PHRASE,
    "stop_act": _STOP_ACT,
    "stop_rung": _STOP_RUNG,
    "stop_actor": _STOP_ACTOR,
    "no_return": _NO_RETURN,
    "stop_end": _STOP_END,
    "stop_why": _STOP_WHY,
    "advice": _ADVICE,
    "command": _COMMAND,
}
