"""SF Express (顺丰) through its partner interface, ``/std/service``.

Source: SF Express open platform documentation (qiao), partner interface and error pages.

- Is create idempotent by our reference? In effect: `orderId` is unique, a second create is error 8016.
  A cancelled order keeps its `orderId` for ever.
- Can we look up? Yes, by `orderId` with EXP_RECE_SEARCH_ORDER_RESP.
- Can a parcel be brought back? Yes, with EXP_RECE_WANTED_INTERCEPT, after its collection. The codes of a refusal are
  not published, so every refusal may be followed by another try; only the routes tell what became of it.
- Limits: A1005 and 8177 are its only signs of flow control; 307 packages an order.
- Final errors: `GATEWAY_FAULTS` and `BUSINESS_FAULTS`. HTTP 200 says nothing; the answer is decoded twice and
  checked three times: gateway code, business flag with its code, and that it speaks of our reference.
"""

from adapters.couriers.sf.describe import NAME
from adapters.couriers.sf.send import connect
from adapters.couriers.sf.sign import SIGNERS
from adapters.plugin import CourierKind

KIND = CourierKind(NAME, connect, SIGNERS)
