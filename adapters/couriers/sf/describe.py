"""What SF calls things: services, products, states, countries. Source: SF Express open platform documentation."""

import re

from domain.errors import Misconfigured

NAME = "sf"
CREATE = "EXP_RECE_CREATE_ORDER"
SEARCH = "EXP_RECE_SEARCH_ORDER_RESP"
UPDATE = "EXP_RECE_UPDATE_ORDER"
INTERCEPT = "EXP_RECE_WANTED_INTERCEPT"

# Product names of ours; a contract's own `expressTypeId` is given as a number.
SERVICES = {"express": 1, "standard": 2}
DEFAULT_SERVICE = "standard"
# Who pays: sender, receiver, third party.
PAY_METHODS = ("1", "2", "3")
# Who pays for an interception: sender or receiver in cash, a third party or the sender by a monthly card.
INTERCEPT_PAY_MODES, BY_CARD = ("1", "2", "3", "4"), frozenset({"3", "4"})
# `serviceCode` of an interception that brings a parcel back, and `role` of the sender who asks for it.
BRING_BACK, ROLE_SENDER = "2", "1"
# `contactType` of a contact.
SENDER, RECEIVER = 1, 2
# `waybillType` of the first package; the numbers of further packages have another.
MOTHER = "1"
# `filterResult` of an address that SF does not deliver to.
UNREACHABLE = 3
# `dealType` of a call that cancels, and `resStatus` of its success.
CANCEL = 2
# `orderStatus` of a shipment, and whether it can still be carried.
ALIVE = {"normal": True, "cancelled": False}
# Codes of countries and regions: beyond the mainland those of the telephone.
COUNTRIES = {"CN": "CN", "HK": "852", "MO": "853", "TW": "886"}


def product_of(service: str) -> int:
    """`expressTypeId` of a service, which is a name of ours or the number of a product.

    Raises Misconfigured ``service_unknown``.
    """
    if service in SERVICES:
        return SERVICES[service]
    if re.fullmatch(r"[0-9]{1,4}", service):
        return int(service)
    raise Misconfigured("service_unknown", f"one of {', '.join(SERVICES)} or a number", {"service": service})
