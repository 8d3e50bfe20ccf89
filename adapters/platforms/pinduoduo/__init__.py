"""Pinduoduo shops through the open platform's router.

Sources: the vendor's interface pages as of April 2026 in a public mirror, and public clients generated from its
interface descriptions.

- Is the write idempotent? No: nobody publishes what a second `pdd.logistics.online.send` answers. After a refusal the
  order is read, and an order that has left is `already_shipped`.
- Can we look up? Yes: `pdd.order.information.get` shows the number of the order and those of further parcels.
- Limits: 30 minutes a listing, whose end lies 3 minutes in the past, 100 rows a page, pages from 1, orders of the last
  three months, 100 texts a decryption. The platform names no length of a throttling.
- Final errors: the table in `faults`, by number. Business errors have the one number 50001; of their sub-codes only
  45001, "no such shop or order", is known.

What is uncertain, and what is done about it:

- `lag_s`, an option: how long before now a listing of orders ends, 200 seconds if not set.
- Cases are listed one status at a time. All known statuses are asked for; the option `case_statuses` names fewer. A
  status that is new to this adapter shows in the order itself, which then counts as one of which it is unknown whether
  a refund is open.
- A case is read by its order and its number, so the id of a case has both: ``ORDER:NUMBER``.
- Which warehouses are not the merchant's: `depot_type` 2 (subscribed) and 5 (shared), a bonded warehouse, delivery
  within the hour, and the tags in `describe`. Nobody says who ships for them, so a person decides.
- Gifts without `gift_order_status`: whether the gift has an order of its own is unknown, so a person decides.
- Whether `pre_sale_time` forbids to ship earlier: it is given as the beginning of that day; a setting of the shop says
  whether orders wait for it.
- A number of two meanings: the listing of cases counts kinds from 2 and writes yuan, the detail counts from 1 and
  writes fen. Times of cases come as seconds, as milliseconds and as texts; all are read.
- Receivers are decrypted only where the option `decrypt` names the purpose: ``label`` or ``label,notice``. The platform
  allows it from its own cloud; elsewhere it allows one call in 10 seconds and 100 a day. Before it the platform wants
  to hear whose waybill it will be: option `waybill_type`, 2 (the courier's own) if not set, ``off`` to leave it out.
- The answer about stopped goods (`pdd.rdc.pddgenius.sendgoods.cancel`) pays the buyer back where the shop has switched
  that on. Option `stop_answers`: ``off`` where the shop does not use it.
- No field tells a live stream or a level of membership, and no buyer has an id.
"""

from adapters.platforms.pinduoduo.describe import NAME
from adapters.platforms.pinduoduo.gateway import connect
from adapters.platforms.pinduoduo.order import read_facts, read_order
from adapters.platforms.pinduoduo.sign import SIGNERS
from adapters.plugin import PlatformKind

KIND = PlatformKind(NAME, connect, read_order, read_facts, SIGNERS)
