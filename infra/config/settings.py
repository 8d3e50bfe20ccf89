"""One frozen settings object, read once from ``orderlane.toml`` and the environment.

Secrets are never in the file: a secret is written as ``env:NAME`` or ``file:PATH`` and has no default.
A relative path in the file, of a secret too, starts at the file's folder. Unknown keys are errors. Names carry their
units.
"""

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from domain.errors import Misconfigured
from domain.take_over import Mode
from infra.config.intercepting import InterceptTiming
from infra.config.retention import Retention
from infra.config.secret import Secret
from infra.config.store_urls import check_database, check_redis
from infra.config.tracking import Tracking
from infra.config.worker_settings import Scaling, Workers

SETTINGS_FILE = "orderlane.toml"
# Ask, tell, read back: a lease that cannot outlast one subject's calls would never let them start.
CALLS_MAX = 3


class Stores(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the stores are. With no URL the application runs its own under `data_dir`.

    `trusts_network`: what lies between us and the stores is ours alone, so they need neither password nor TLS.
    """

    data_dir: str = ""
    database_url: Secret = Secret("")
    redis_url: Secret = Secret("")
    service_user: str = ""
    fsync: bool = True
    trusts_network: bool = False


class Metrics(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the sweeper serves Prometheus metrics, as ``host:port``; nowhere without an address."""

    address: str = ""


class Engine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of the step engine.

    `last_check_max_age_s`: a platform's answer that an order may be shipped counts for so long; after that it is asked
    again before a warehouse gets the order. `ask_quiet_after_s`: a warehouse is asked about a document of which nothing
    was heard for so long.
    """

    batch_max: int = 50
    lease_s: float = 60.0
    attempts_max: int = 8
    bug_attempts_max: int = 3
    crashes_max: int = 3
    backoff_first_s: float = 2.0
    backoff_max_s: float = 900.0
    sweep_every_s: float = 0.5
    outside_concurrency: int = 16
    last_check_max_age_s: float = 90.0
    ask_quiet_after_s: float = 3600.0


class HttpLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of the one HTTP door.

    `inside_hosts`: names that may resolve to a machine of our own network, without a port. An endpoint that
    is written as an address needs no entry.
    """

    connect_s: float = 3.0
    read_s: float = 10.0
    total_s: float = 15.0
    body_max_bytes: int = 8 * 1024 * 1024
    connections_per_host: int = 32
    inside_hosts: tuple[str, ...] = ()


class Guard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How accounts are guarded.

    `failures_max` failures in a row open an account's breaker; it is probed once in `open_s`. After a probe
    came through, 1, 2, 4 and so on calls may begin in each `ramp_s`, until `ramp_calls`. An account with
    wrong credentials is tried again every `probe_every_s`. `batches_max`: batches of one account that one
    process runs at once. Orders that wait behind a shut account are held `hold_before_ship_by_h` before
    their ship-by, or after `hold_after_h`.
    """

    failures_max: int = 5
    open_s: float = 10.0
    ramp_s: float = 1.0
    ramp_calls: int = 64
    probe_every_s: float = 60.0
    batches_max: int = 3
    hold_before_ship_by_h: float = 2.0
    hold_after_h: float = 24.0


class Limit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Calls that an account's owner allows, over all processes. A rate of 0 is no limit; a burst of 0, one second's."""

    rate_per_s: float = 0.0
    burst: int = 0


class Shop(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One merchant account at a sales platform. `ship_on`: when the platform hears of the shipment.

    `take_over_from`: orders that were paid earlier are another system's: they are stored and shown, and begun only when
    a person adopts them. Required for a shop of which nothing is stored yet. `mode`: `watch` reads and decides only.

    `presale_waits`: a presale order waits, without a label, for the day from which the platform says it ships; else it
    is shipped as soon as it is paid and has stock.

    `settle_s`: each window of changes is read a second time so long after its end, for what the platform wrote late;
    0 switches that off. `cursor_age_max_s`: a shop whose changes are stored up to a moment longer ago than that, beyond
    `lag_s` and `poll_every_s`, raises an alarm.

    `cases_every_s`: how often its after-sale cases are read; 0: never. The platform hears `answer_margin_s` before it
    decides by itself that goods are not stopped yet.
    """

    name: str
    platform: str
    endpoint: str
    credentials: dict[str, Secret]
    take_over_from: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    mode: Mode = Mode.LIVE
    ship_on: Literal["handover", "packed", "label"] = "handover"
    presale_waits: bool = False
    poll_every_s: float = 30.0
    overlap_s: float = 300.0
    lag_s: float = 0.0
    settle_s: float = 1800.0
    first_pull_days: int = 7
    cursor_age_max_s: Annotated[float, msgspec.Meta(gt=0)] = 900.0
    cases_every_s: Annotated[float, msgspec.Meta(ge=0)] = 60.0
    answer_margin_s: Annotated[float, msgspec.Meta(ge=0)] = 1800.0
    limit: Limit = Limit()
    options: dict[str, str] = {}

    @property
    def after_sale_account(self) -> str:
        """The name of the gate before the calls about cases: they never stand in the way of orders."""
        return f"{self.account}/after_sale"

    @property
    def account(self) -> str:
        """The shop's name over all platforms: unit of cursors, limits and breakers."""
        return f"{self.platform}/{self.name}"

    @property
    def cursor_patience_s(self) -> float:
        """How old the shop's cursor may be before somebody is told."""
        return self.lag_s + self.poll_every_s + self.cursor_age_max_s


class CourierContract(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One contract with a courier.

    `track`: whether the courier is asked about parcels that have left; `false` for a contract that may not ask. Where
    nobody asks, an order is in transit from its hand-over on. `track_limit`: of these questions alone. `intercept`:
    whether the courier is asked to bring a parcel back whose order was stopped, which it may charge for; `false` for a
    contract without this service.
    """

    name: str
    courier: str
    endpoint: str
    credentials: dict[str, Secret]
    limit: Limit = Limit()
    track: bool = True
    track_limit: Limit = Limit()
    intercept: bool = True
    options: dict[str, str] = {}

    @property
    def account(self) -> str:
        return f"{self.courier}/{self.name}"

    @property
    def tracking_account(self) -> str:
        """The name of the gate before the questions about parcels: they never stand in the way of bookings."""
        return f"{self.account}/tracking"


class Sender(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a location's packages leave from; printed on labels."""

    contact: str
    phone: str
    province: str
    city: str
    district: str
    detail: str


# The kind of a location that has no outside system.
OWN = "own"


class Location(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A warehouse, its sender address and the way to speak with it.

    `kind`: the way; `feed` is this program's own protocol (`docs/reference/warehouse-feed.md`), `own` is a location
    without an outside system, where people pick from ``orderlane picks``: without endpoint, credentials and options.
    `options`: what the warehouse can do, as the kind reads it. `contracts`: the courier accounts that pick up there,
    the preferred one first; none named: all, in the order of the settings. `count_every_s`: how often its counted stock
    is read again; 0: never, but by ``orderlane stock count``. `silent_after_h`: an alarm is raised when its warehouse
    has told nothing of open orders for so long; 0: never.
    """

    name: str
    sender: Sender
    credentials: dict[str, Secret]
    endpoint: str = ""
    kind: str = "feed"
    contracts: tuple[str, ...] = ()
    poll_every_s: float = 5.0
    count_every_s: float = 900.0
    silent_after_h: float = 24.0
    limit: Limit = Limit()
    options: dict[str, str] = {}

    @property
    def account(self) -> str:
        return f"warehouse/{self.name}"

    @property
    def is_own(self) -> bool:
        """Whether no outside system stands behind the location: nobody is called, and its stock is counted by hand."""
        return self.kind == OWN

    def __post_init__(self) -> None:
        """Raise ValueError where the address of an outside system is missing, or named for a location without one."""
        if self.is_own and (self.endpoint or self.credentials or self.options):
            raise ValueError(f"location {self.name} of kind own has no endpoint, credentials or options")
        if not self.is_own and not self.endpoint:
            raise ValueError(f'location {self.name} needs an endpoint, or kind = "own" where it has no system')


class Channel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where buyers, or the merchant's own systems, are told. `options` are the kind's own.

    `events`: of which events of a package; two of them only a courier that is asked about parcels tells.
    """

    name: str
    kind: str
    endpoint: str
    credentials: dict[str, Secret]
    events: tuple[Literal["shipped", "out_for_delivery", "signed"], ...] = ("shipped",)
    limit: Limit = Limit()
    options: dict[str, str] = {}

    @property
    def account(self) -> str:
        return f"{self.kind}/{self.name}"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a process needs to know at start."""

    stores: Stores = Stores()
    workers: Workers = Workers()
    scaling: Scaling = Scaling()
    metrics: Metrics = Metrics()
    engine: Engine = Engine()
    door: HttpLimits = HttpLimits()
    guard: Guard = Guard()
    tracking: Tracking = Tracking()
    intercept: InterceptTiming = InterceptTiming()
    retention: Retention = Retention()
    shops: tuple[Shop, ...] = ()
    couriers: tuple[CourierContract, ...] = ()
    locations: tuple[Location, ...] = ()
    channels: tuple[Channel, ...] = ()
    rules_file: str = ""
    log_format: Literal["auto", "json", "console"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def watched_shops(self) -> frozenset[str]:
        """Accounts of the shops that are only watched."""
        return frozenset(shop.account for shop in self.shops if shop.mode is Mode.WATCH)

    @property
    def outside_locations(self) -> tuple[Location, ...]:
        """Locations with an outside system, which counts its own stock."""
        return tuple(location for location in self.locations if not location.is_own)

    def __post_init__(self) -> None:
        """Raise ValueError for a location whose contract is no courier of these settings, or stands twice."""
        known = {courier.account for courier in self.couriers}
        for location in self.locations:
            unknown = sorted(set(location.contracts) - known)
            if unknown or len(set(location.contracts)) < len(location.contracts):
                why = f"no courier account {', '.join(unknown)}" if unknown else "an account stands twice"
                raise ValueError(f"contracts of location {location.name}: {why}; known are: {', '.join(sorted(known))}")


def read_settings(
    path: Path | None = None, environ: Mapping[str, str] = os.environ, absent: Secret | None = None
) -> Settings:
    """Read the settings file (``ORDERLANE_SETTINGS`` or `path`, else ``orderlane.toml`` if it exists).

    ``ORDERLANE_DATABASE_URL``, ``ORDERLANE_REDIS_URL`` and ``ORDERLANE_DATA_DIR`` outrank the file.
    `absent` stands for secrets that are not where the file says, for who only looks; without it they are an error.
    Raises Misconfigured with the offending key.
    """
    named = path or (Path(environ["ORDERLANE_SETTINGS"]) if environ.get("ORDERLANE_SETTINGS") else None)
    file = named or Path(SETTINGS_FILE)
    try:
        if named is not None and not file.is_file():
            raise Misconfigured("settings_missing", f"no settings file at {file}")
        content = file.read_bytes() if file.is_file() else b""
    except OSError as error:
        raise Misconfigured("settings_missing", f"{file}: {error.strerror}") from None
    tree = _toml(content, file)
    stores = tree.setdefault("stores", {})
    _resolve(tree, "rules_file", file.parent)
    if isinstance(stores, dict):
        _resolve(stores, "data_dir", file.parent)
        for key in ("database_url", "redis_url", "data_dir"):
            value = environ.get(f"ORDERLANE_{key.upper()}")
            if value:
                stores[key] = value if key == "data_dir" else Secret(value)

    _complete_own(tree)

    def decode(kind: type, value: object) -> object:
        if kind is Secret:
            return _secret(value, file.parent, environ, absent)
        raise NotImplementedError(kind)

    try:
        settings = msgspec.convert(tree, Settings, dec_hook=decode)
    except msgspec.ValidationError as error:
        raise Misconfigured("settings_invalid", f"{file}: {error}") from None
    _check_stores(settings.stores, environ)
    if settings.engine.lease_s <= CALLS_MAX * settings.door.total_s:
        raise Misconfigured("settings_invalid", f"{file}: engine.lease_s must exceed {CALLS_MAX} times door.total_s")
    return settings


def _complete_own(tree: dict[str, Any]) -> None:
    """A location of our own has nothing to authenticate to, so its block names no credentials."""
    locations = tree.get("locations")
    for entry in locations if isinstance(locations, list) else ():
        if isinstance(entry, dict) and entry.get("kind") == OWN:
            entry.setdefault("credentials", {})


def _resolve(table: dict[str, Any], key: str, folder: Path) -> None:
    """A relative path in the settings file starts at the file's folder, wherever the process was started."""
    name = table.get(key)
    if isinstance(name, str) and name:
        table[key] = str(folder.absolute() / name)


def _check_stores(stores: Stores, environ: Mapping[str, str]) -> None:
    if stores.trusts_network:
        return
    if stores.database_url:
        check_database(stores.database_url.reveal(), environ)
    if stores.redis_url:
        check_redis(stores.redis_url.reveal())


def _toml(content: bytes, file: Path) -> dict[str, Any]:
    try:
        return dict(msgspec.toml.decode(content))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Misconfigured("settings_unreadable", f"{file}: {error}") from None


def _secret(value: object, folder: Path, environ: Mapping[str, str], absent: Secret | None) -> Secret:
    try:
        return _found_secret(value, folder, environ)
    except Misconfigured as error:
        if absent is None or error.code != "secret_missing":
            raise
        return absent


def _found_secret(value: object, folder: Path, environ: Mapping[str, str]) -> Secret:
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise Misconfigured("secret_invalid", "a secret is written as env:NAME or file:PATH")
    scheme, _, name = value.partition(":")
    if scheme == "env":
        if not environ.get(name):
            raise Misconfigured("secret_missing", f"environment variable {name} is not set")
        return Secret(environ[name])
    if scheme == "file":
        secret_file = folder / name
        if not secret_file.is_file():
            raise Misconfigured("secret_missing", f"no secret file at {secret_file}")
        try:
            return Secret(secret_file.read_text(encoding="utf-8").strip())
        except (OSError, UnicodeDecodeError) as error:
            raise Misconfigured("secret_unreadable", f"{secret_file}: {type(error).__name__}") from None
    raise Misconfigured("secret_in_file", "a secret is written as env:NAME or file:PATH")


def data_dir(settings: Settings, environ: Mapping[str, str] = os.environ) -> Path:
    """Where this machine keeps orderlane's own stores: the configured folder, else the usual one.

    Root gets a system folder, because the database drops to another user that may not be able to
    enter root's home.
    """
    if settings.stores.data_dir:
        return Path(settings.stores.data_dir).resolve()
    if os.geteuid() == 0:
        return Path("/var/lib/orderlane")
    home = environ.get("XDG_DATA_HOME") or str(Path(environ.get("HOME") or Path.home()) / ".local/share")
    return Path(home) / "orderlane"
