"""Taobao and Tmall through the TOP gateway.

Sources: TOP open platform documentation (calling guide, trade, logistics and oaid pages).

- Is the write idempotent? No: `taobao.logistics.offline.send` a second time answers B04, "shipped or closed".
- Can we look up? Yes: `taobao.trade.fullinfo.get` shows waybills of the lines.
- Limits: 1 day a listing, 100 rows a page, 20 receivers a decryption; call limits come as error 7 with the
  seconds of the ban in its text.
- Final errors: the table in `faults`; every other error says whether to wait, to ask or to stop.
"""

from adapters.platforms.taobao.describe import NAME
from adapters.platforms.taobao.gateway import connect
from adapters.platforms.taobao.sign import SIGNERS
from adapters.platforms.taobao.trade import read_facts, read_order
from adapters.plugin import PlatformKind

KIND = PlatformKind(NAME, connect, read_order, read_facts, SIGNERS)
