"""One simulated world: everything the server plays, put together from a spec."""

from collections import Counter
from itertools import islice

from sandbox.douyin import Douyin
from sandbox.floor import Outside
from sandbox.happenings import Happenings
from sandbox.hook import Receiver
from sandbox.ledger import Ledger
from sandbox.model import Plan
from sandbox.people import person_of
from sandbox.pinduoduo import PinduoduoPlatform
from sandbox.sf import Courier
from sandbox.sms import SmsProvider
from sandbox.spec import Spec
from sandbox.taobao import Platform
from sandbox.tradebook import Tradebook
from sandbox.warehouse import Feed, Warehouses
from sandbox.waybills import WaybillBook


class World:
    """The parts share one ledger; `opened_at` (unix seconds) is when the stream starts.

    Nothing in it reads a clock: every call is given the time.
    """

    def __init__(self, spec: Spec, plan: Plan, opened_at: float) -> None:
        self.spec = spec
        self.plan = plan
        self.latency = spec.latency
        self.ledger = Ledger()
        titles = Counter(entry.sku.title for entry in plan.catalogue)
        self.sku_by_title = {
            entry.sku.title: entry.sku.code for entry in plan.catalogue if titles[entry.sku.title] == 1
        }
        self.book = Tradebook(plan, opened_at)
        self.waybills = WaybillBook()
        self._mobiles: dict[str, str] = {}
        self._tokens_read = 0
        self._back: set[str] = set()
        sku_titles = {entry.sku.code: entry.sku.title for entry in plan.catalogue}
        outside = Outside(self.waybills, self.ledger, self._mobile_of, lambda sku: sku_titles.get(sku, sku))
        self.warehouses = Warehouses(plan, spec, outside)
        self.happenings = Happenings(self.book, spec.scenes)
        self.platform = Platform(plan, spec.secrets, self.happenings, self.waybills, self.ledger)
        self.douyin = Douyin(self.platform, plan, spec.secrets, self.happenings, self.waybills)
        self.pinduoduo = PinduoduoPlatform(plan, spec.secrets, self.happenings, self.waybills, self.ledger)
        self.courier = Courier(plan.locations, spec.secrets, self.waybills, self.warehouses, self.ledger)
        self.courier.parcels.delays = spec.courier
        self.feed = Feed(self.warehouses, spec.secrets.warehouse_secret, self.ledger)
        self.receiver = Receiver(spec.secrets.webhook_secret, self.ledger)
        self.texts = SmsProvider(spec.secrets, self.waybills, self.ledger)

    def _mobile_of(self, merge_token: str) -> str:
        """The number of a hidden receiver, as the platform tells it the courier; empty for a token of nobody's."""
        # Trades come to the end of the book; an older one has a new token when its address changes.
        for start in (self._tokens_read, 0):
            if merge_token not in self._mobiles:
                for trade in islice(self.book.trades.values(), start, None):
                    self._mobiles[trade.oaid()] = person_of(trade.order).mobile
                self._tokens_read = len(self.book.trades)
        return self._mobiles.get(merge_token, "")

    def advance(self, now: float) -> None:
        """Let happen what was due by `now`."""
        self.book.advance(now)
        self.happenings.advance(now)
        self.warehouses.advance(now)
        self.bring_back(now)

    def bring_back(self, now: float) -> None:
        """Parcels that have come back to their warehouse by `now`."""
        parcels = self.courier.parcels
        returned = {number for number, fate in parcels.fates.items() if fate == "returned"}
        for number in sorted((parcels.taken.keys() | returned) - self._back):
            waybill = self.waybills.by_number.get(number)
            at = None if waybill is None else parcels.came_back_at(waybill)
            if waybill is not None and at is not None and at <= now:
                self._back.add(number)
                pieces: Counter[str] = Counter()
                for title, count in waybill.booking.cargo:
                    pieces[self.sku_by_title.get(title, title)] += count
                self.warehouses.take_back(waybill, pieces, at)
