"""What one sandbox plays: read from a JSON file, strict, secrets without defaults."""

import hashlib
import hmac
from pathlib import Path
from typing import Literal

import msgspec

from domain.errors import Misconfigured


class Secrets(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Both sides' shared secrets; the sandbox checks signatures with its copy.

    `session_secret`: every shop's TOP session is derived from it, see `session_of`.
    `webhook_secret`: ``whsec_`` followed by base64, as the Standard Webhooks specification writes it.
    `control_secret`: value of the header ``X-Control`` that opens ``/_control``.
    """

    app_key: str
    app_secret: str
    session_secret: str
    sf_partner_id: str
    sf_check_word: str
    sf_monthly_card: str
    warehouse_secret: str
    webhook_secret: str
    sms_secret_id: str
    sms_secret_key: str
    sms_app_id: str
    control_secret: str

    def __repr__(self) -> str:
        return "Secrets(***)"

    def session_of(self, shop: str) -> str:
        """The TOP session (access token) of one shop."""
        return "6100" + hmac.new(self.session_secret.encode(), shop.encode(), hashlib.sha256).hexdigest()[:46]


class Surge(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stretch of the stream in which orders come `times` as fast; seconds since the opening."""

    from_s: float
    for_s: float
    times: float


class Arrival(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When orders become visible: `per_second` 0 means all at the start, changed in bursts of the last hour."""

    per_second: float = 0.0
    surge: Surge | None = None


class Dirt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Shares of orders that cannot simply be shipped.

    `presale_open`, `refund_asked` and `vague_address` are taken out of the N orders. `short_stock` makes
    about that share of orders unfillable by giving some SKUs too few pieces. `unpaid` and `closed` come
    on top of the N orders and must never ship.
    """

    presale_open: float = 0.02
    refund_asked: float = 0.01
    vague_address: float = 0.015
    short_stock: float = 0.02
    unpaid: float = 0.01
    closed: float = 0.01


class Scenes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Shares of the orders that must ship: of several lines, or changed on the way. See `sandbox.scenes`.

    `split`: three lines whose SKUs no location has all of, but two together have. `undividable`: one line with pieces
    at two locations, enough only together. `line_closed`: one of two lines was closed before the buyer paid. The other
    shares: an order of two or three lines (of `platform_line` also of one) to which that happens.

    Things begin to happen up to twice `after_s` after the order was first read whole; what was asked is answered
    `answered_s` later.
    """

    split: float = 0.0
    undividable: float = 0.0
    line_closed: float = 0.0
    refund_withdrawn: float = 0.0
    refund_paid: float = 0.0
    refund_all: float = 0.0
    shipped_by_hand: float = 0.0
    platform_line: float = 0.0
    virtual_line: float = 0.0
    after_s: float = 0.5
    answered_s: float = 1.0


class Latency(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Milliseconds each answer is held back."""

    taobao_ms: float = 0.0
    douyin_ms: float = 0.0
    sf_ms: float = 0.0
    warehouse_ms: float = 0.0


class WarehouseDelays(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Seconds from label to acceptance, from there to the packing scan, from there to the handover."""

    accept_s: float = 0.2
    pack_s: float = 0.2
    handover_s: float = 0.2


class Floor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the warehouse of a location behaves.

    `learns_from`: `orders`, from ``POST /orders`` alone; `courier`, as soon as a label is booked from its address, as
    no real warehouse does; or `people`: there is no system, and parcels leave by the lever `collect` alone. The rest
    holds for `orders`. `books_waybill`: it books at the sandbox's courier itself, and `splits` into a package
    for each line (of one line with several pieces, into two). `stops`: what ``POST /stop`` answers, `now` or `later` by
    an event. `is_idempotent`: without it a repeated document is a second one.

    Shares are of documents, drawn by their reference: `refuses` at once, `refuses_late` by an event, `picks_short`,
    `forgets` (takes it, and does nothing more). `repeats_events`: told twice. `late_events_s`: told up to so much late,
    so in any order. Shares of calls: `loses_answers` (carries it out and never answers), `drops_calls` (does not carry
    it out and never answers). `damages`: share of parcels that come back of which every piece is damaged, in every
    warehouse. `find_lag_s`: so long a look-up does not show what was placed. `is_away`: 503 to all.
    """

    learns_from: Literal["orders", "courier", "people"] = "orders"
    books_waybill: bool = False
    splits: bool = False
    stops: Literal["now", "later"] = "now"
    is_idempotent: bool = True
    find_lag_s: float = 0.0
    refuses: float = 0.0
    refuses_late: float = 0.0
    picks_short: float = 0.0
    forgets: float = 0.0
    repeats_events: float = 0.0
    late_events_s: float = 0.0
    loses_answers: float = 0.0
    drops_calls: float = 0.0
    damages: float = 0.0
    is_away: bool = False


class CourierDelays(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Seconds from the hand-over of a parcel to what becomes of it.

    `turned_s`: from an interception to the turn. `returned_s`: from there to its sender.
    """

    collected_s: float = 0.3
    departed_s: float = 0.6
    out_s: float = 0.9
    delivered_s: float = 1.2
    turned_s: float = 0.3
    returned_s: float = 0.6


class Location(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A warehouse and its sender address; a label's sender `detail` tells which location packs it."""

    name: str
    province: str
    city: str
    district: str
    detail: str
    contact: str
    phone: str


class Spec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that decides one run; the same spec gives the same stream.

    `orders`: how many to generate; with `csv` the first so many source orders of the file, 0 for all.
    `csv`: path of a file of order lines (see `sandbox.olist`) to replay instead of generating.
    `shops`: number of generated shops; a replayed file has one shop for each seller.
    `p0_share`: share of orders from a live stream, by a PLUS member, in a location's own city.
    `locations`: empty for two of the sandbox's own that suit the stream. `floors`: by location; a usual one otherwise.
    """

    seed: int
    orders: int
    secrets: Secrets
    csv: str | None = None
    shops: int = 5
    p0_share: float = 0.05
    arrival: Arrival = Arrival()
    dirt: Dirt = Dirt()
    scenes: Scenes = Scenes()
    latency: Latency = Latency()
    warehouse: WarehouseDelays = WarehouseDelays()
    courier: CourierDelays = CourierDelays()
    locations: tuple[Location, ...] = ()
    floors: dict[str, Floor] = {}


def read_spec(path: Path) -> Spec:
    """Decode a spec file. Raises Misconfigured with the offending key."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Spec)
    except FileNotFoundError:
        raise Misconfigured("spec_missing", f"no spec file at {path}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Misconfigured("spec_invalid", f"{path}: {error}") from None
