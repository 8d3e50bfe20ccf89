"""Douyin shops (Doudian) through the open platform's gateway.

Sources: the vendor's generated clients and public copies of its interface pages, of 2023 to 2026.

- Is the write idempotent? A shipment of some lines is, by its `request_id`. A shipment of a whole order is not: a
  second one answers 60110, "shipped already".
- Can we look up? Yes: `order.orderDetail` shows the parcels with their lines and pieces.
- Limits: 100 rows a page, pages from 0, 50,000 rows deep, orders of the last 90 days, 50 texts a decryption. The
  platform names no length of a throttling.
- Final errors: the table in `faults`, by sub-code. Two public tables disagree about the numbers 40001 and 40002.

What is uncertain, and what is done about it:

- `sign_method`: hmac-sha256 is sent. The older MD5 of the same text is an option.
- Whether the end of a listing's window belongs to it: windows overlap, so both readings lose nothing.
- Whether lines' `pay_amount` holds their part of the freight: the sums of the order decide, see `sums`.
- `trade_type` 10 and 12, samples for creators: nobody says who ships them, so a person decides.
- `after_sale_info` absent: whether a refund is open is then unknown, and holds.
- Receivers are decrypted only where the option `decrypt` names the purpose: ``label`` or ``label,notice``. The quota of
  the shop is not known here.
- Whether a shipment needs the ids of the sender's and the return address: options `address_id` and
  `after_sale_address_id`, sent where they are set.
- The platform hears only that goods were stopped (`afterSale.CancelSendGoodsSuccess`): there is no call that says
  they were not. It refunds at once if the shop has switched the assistant's strategy on. Option `stop_answers`: ``off``
  where the shop does not use it.
"""

from adapters.platforms.douyin.describe import NAME
from adapters.platforms.douyin.gateway import connect
from adapters.platforms.douyin.order import read_facts, read_order
from adapters.platforms.douyin.sign import SIGNERS
from adapters.plugin import PlatformKind

KIND = PlatformKind(NAME, connect, read_order, read_facts, SIGNERS)
