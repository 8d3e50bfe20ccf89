"""Prepares a demo: a private folder, a sandbox process, and settings that name the sandbox."""

import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from domain.errors import Misconfigured
from infra.config.settings import Settings, data_dir, read_settings
from sandbox.spec import Arrival, Dirt, Floor, Scenes, Secrets, Spec, WarehouseDelays
from sandbox.stream import plan

_READY_S = 60.0
_POLL_S = 0.05
_ANSWER_S = 30
STORES_FOLDER = "stores"
# Every order is paid, so that every order ends done or held.
CLEAN = Dirt(unpaid=0.0, closed=0.0)
NO_SCENES = Scenes()
BRISK = WarehouseDelays()
USUAL = Floor()
# Of the orders that are to be split, so many have a line that no platform lets us divide.
_UNDIVIDABLE = 0.05
# The sandbox is on this machine: a request without an answer by then is lost. After a crash the engine waits for these
# limits before it asks, so they decide how long a disturbed demo takes.
_DOOR = {"connect_s": 1.0, "read_s": 3.0, "total_s": 3.0}
_LEASE_S = 12.0
# A parcel of the sandbox is delivered within seconds.
_BRISK_LOOKS = {"first_s": 0.5, "moving_s": 1.0, "near_s": 0.5, "slow_s": 5.0}
# The sandbox's orders have no other system that ships them.
_EVERY_ORDER = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Script:
    """What a demo plays. `orders` 0 with a file means all of it; `per_second` 0 means all at once.

    `control`: after the run three harms are planted, which the comparison must find. `texts_buyers`: buyers
    get a text message as well. `follows`: the courier is asked about parcels at the sandbox's pace; otherwise nobody
    asks within a run. `takes_over`: the settings name ``take_over_from``, which earlier versions do not know.
    `floors`: how the warehouse of a location behaves, by its name; earlier versions know only what is told nothing.
    """

    orders: int
    csv: Path | None
    seed: int
    per_second: float
    processes: int
    threads: int
    shops: int
    control: bool = False
    texts_buyers: bool = False
    takes_over: bool = True
    follows: bool = False
    dirt: Dirt = CLEAN
    scenes: Scenes = NO_SCENES
    delays: WarehouseDelays = BRISK
    floors: Mapping[str, Floor] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stage:
    """A running sandbox and the folder with its address."""

    folder: Path
    settings_file: Path
    sandbox_url: str
    sandbox_pid: int
    control_secret: str

    def read(self, report: str) -> dict[str, Any]:
        """One of the sandbox's reports, ``_progress`` or ``_ledger``."""
        return self._answer(urllib.request.Request(f"{self.sandbox_url}/{report}"))  # noqa: S310 - our own sandbox

    def pull(self, lever: str, **fields: object) -> dict[str, Any]:
        """Pull one of the sandbox's levers (see `sandbox.control`)."""
        body = msgspec.json.encode({"do": lever, **fields})
        request = urllib.request.Request(  # noqa: S310 - our own sandbox
            f"{self.sandbox_url}/_control", data=body, headers={"X-Control": self.control_secret}
        )
        return self._answer(request)

    def _answer(self, request: urllib.request.Request) -> dict[str, Any]:
        """This is no call to the outside, so it does not go through the door."""
        with urllib.request.urlopen(request, timeout=_ANSWER_S) as answer:  # noqa: S310 - our own sandbox
            return dict(msgspec.json.decode(answer.read()))


def scenes_of(split_share: float, change_share: float) -> Scenes:
    """The share of orders that need two locations, and the share of orders that change on the way, divided equally
    among the kinds.
    """
    each = change_share / 7
    return Scenes(
        split=split_share * (1 - _UNDIVIDABLE),
        undividable=split_share * _UNDIVIDABLE,
        line_closed=each,
        refund_withdrawn=each,
        refund_paid=each,
        refund_all=each,
        shipped_by_hand=each,
        platform_line=each,
        virtual_line=each,
    )


def demo_folder(base: Settings) -> Path:
    """A fresh folder for one demo; those of earlier demos that run no more are removed."""
    home = data_dir(base) / "demo"
    home.mkdir(parents=True, exist_ok=True)
    for old in home.iterdir():
        if old.name.isdigit() and not _is_alive(int(old.name)):
            shutil.rmtree(old, ignore_errors=True)
    folder = home / str(os.getpid())
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o755)
    return folder


def _is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def make_spec(script: Script) -> Spec:
    """What the sandbox plays for a demo's script: its shops, orders and answers, with random secrets of this run."""
    return Spec(
        seed=script.seed,
        orders=script.orders,
        csv=str(script.csv.resolve()) if script.csv else None,
        shops=script.shops,
        arrival=Arrival(per_second=script.per_second),
        dirt=script.dirt,
        scenes=script.scenes,
        warehouse=script.delays,
        floors=dict(script.floors),
        secrets=Secrets(
            app_key=str(10_000_000 + secrets.randbelow(80_000_000)),
            app_secret=secrets.token_hex(16),
            session_secret=secrets.token_hex(16),
            sf_partner_id="DEMO" + secrets.token_hex(4),
            sf_check_word=secrets.token_hex(16),
            sf_monthly_card=str(1_000_000_000 + secrets.randbelow(9_000_000_000)),
            warehouse_secret=secrets.token_hex(16),
            webhook_secret="whsec_" + secrets.token_urlsafe(24).replace("-", "A").replace("_", "B"),
            sms_secret_id="AKID" + secrets.token_hex(16),
            sms_secret_key=secrets.token_hex(16),
            sms_app_id=str(1_400_000_000 + secrets.randbelow(99_999_999)),
            control_secret=secrets.token_hex(16),
        ),
    )


@contextmanager
def sandbox_stage(folder: Path, script: Script, spec: Spec | None = None) -> Iterator[Stage]:
    """Start the sandbox, write the settings that reach it, and stop it at the end.

    `spec`: an earlier stage's, to play its stream again with the same secrets.
    Raises Misconfigured ``sandbox_silent`` when it does not start.
    """
    spec = spec or make_spec(script)
    spec_file, ready_file = folder / "sandbox.json", folder / "sandbox.ready"
    spec_file.write_bytes(msgspec.json.encode(spec))
    spec_file.chmod(0o600)
    with (folder / "sandbox.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "sandbox", "--spec", str(spec_file), "--ready", str(ready_file)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        url = f"http://127.0.0.1:{_await_port(process, ready_file)}"
        settings_file = _write_settings(folder, spec, script, url)
        yield Stage(folder, settings_file, url, process.pid, spec.secrets.control_secret)
    finally:
        process.terminate()
        process.wait()


def _await_port(process: subprocess.Popen[bytes], ready_file: Path) -> int:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline and process.poll() is None:
        if ready_file.exists():
            return int(msgspec.json.decode(ready_file.read_bytes())["port"])
        time.sleep(_POLL_S)
    raise Misconfigured("sandbox_silent", "the sandbox did not start; see sandbox.log in the demo's folder")


def options_of(floor: Floor) -> dict[str, str]:
    """The options of a location whose warehouse behaves like this; none where it is told nothing."""
    if floor.learns_from != "orders":
        return {}
    flags = {
        "takes_orders": True,
        "books_waybill": floor.books_waybill,
        "splits": floor.splits,
        "is_idempotent": floor.is_idempotent,
    }
    return {name: str(flag).lower() for name, flag in flags.items()} | {"find_lag_s": f"{floor.find_lag_s:.3f}"}


def _write_settings(folder: Path, spec: Spec, script: Script, url: str) -> Path:
    """``orderlane.toml`` as a merchant would write it, with every secret in a file of its own."""
    vault = folder / "secrets"
    vault.mkdir(mode=0o700)

    def kept(name: str, value: str) -> str:
        (vault / name).write_text(value)
        (vault / name).chmod(0o600)
        return f"file:secrets/{name}"

    known = spec.secrets
    app_secret, app_key = kept("app_secret", known.app_secret), kept("app_key", known.app_key)
    planned = plan(spec)
    tree: dict[str, Any] = {
        # For commands that look at this instance later.
        "stores": {"data_dir": str(folder / STORES_FOLDER)},
        "workers": {"processes": script.processes, "threads": script.threads},
        "engine": {"lease_s": _LEASE_S},
        "door": _DOOR,
        "log_format": "json",
        "log_level": "info",
        "shops": [
            {
                "name": shop.name,
                "platform": "taobao",
                "endpoint": f"{url}/taobao/router/rest",
                # The hundreds of sellers of a replayed file are not all read every few seconds.
                "poll_every_s": min(30.0, max(5.0, len(planned.shops) / 20)),
                "overlap_s": 30.0,
                "first_pull_days": 1,
                **({"take_over_from": _EVERY_ORDER} if script.takes_over else {}),
                "credentials": {
                    "app_key": app_key,
                    "app_secret": app_secret,
                    "session": kept(f"session-{number}", shop.session),
                },
            }
            for number, shop in enumerate(planned.shops)
        ],
        "couriers": [
            {
                "name": "main",
                "courier": "sf",
                "endpoint": f"{url}/sf/std/service",
                "credentials": {
                    "partner_id": kept("sf_partner_id", known.sf_partner_id),
                    "check_word": kept("sf_check_word", known.sf_check_word),
                    "monthly_card": kept("sf_monthly_card", known.sf_monthly_card),
                },
            }
        ],
        "locations": [
            {
                "name": location.name,
                "endpoint": f"{url}/warehouse/{location.name}",
                "poll_every_s": 0.5,
                # The sandbox always tells what was counted before the run.
                "count_every_s": 0.0,
                "sender": {
                    "contact": location.contact,
                    "phone": location.phone,
                    "province": location.province,
                    "city": location.city,
                    "district": location.district,
                    "detail": location.detail,
                },
                "credentials": {"secret": kept("warehouse_secret", known.warehouse_secret)},
                # An earlier version refuses settings with options, so there are none where there is nothing to say.
                **({"options": options} if (options := options_of(spec.floors.get(location.name, USUAL))) else {}),
            }
            for location in planned.locations
        ],
        "channels": [
            {
                "name": "buyers",
                "kind": "webhook",
                "endpoint": f"{url}/hook",
                "credentials": {"secret": kept("webhook_secret", known.webhook_secret)},
            }
        ],
    }
    if script.follows:
        tree["tracking"] = _BRISK_LOOKS
    if script.texts_buyers:
        tree["channels"].append(
            {
                "name": "texts",
                "kind": "tencent-sms",
                "endpoint": url,
                "credentials": {
                    "secret_id": kept("sms_secret_id", known.sms_secret_id),
                    "secret_key": kept("sms_secret_key", known.sms_secret_key),
                },
                "options": {"sdk_app_id": known.sms_app_id, "sign_name": "示例店铺", "template_id": "100001"},
            }
        )
    file = folder / "orderlane.toml"
    file.write_bytes(msgspec.toml.encode(tree))
    read_settings(file, {})
    return file
