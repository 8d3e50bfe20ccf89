"""What the commands are run with: payloads, settings, and a runner that knows the real entry point."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from workers.cli import demo, doctor, due, order, reconcile, run, stores, writeback
from workers.main import main


@pytest.fixture(autouse=True)
def _nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty folder, and none of the settings of the user who runs the tests."""
    for name in [name for name in os.environ if name.startswith("ORDERLANE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    # Where the marker of the last demo would be.
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    # A logger keeps the threshold it was first used with, and other tests read its lines.
    for module in (demo, doctor, due, order, reconcile, run, stores, writeback):
        monkeypatch.setattr(module, "configure", lambda *_, **__: None)


@pytest.fixture
def orderlane() -> Callable[..., Result]:
    """Run a command in this process."""
    return lambda *arguments, stdin=None: CliRunner().invoke(main, [str(a) for a in arguments], input=stdin)


@pytest.fixture
def orderlane_process() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command as a process of its own."""

    def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "workers.main", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)

    return run


@pytest.fixture(scope="session")
def trade() -> Callable[..., bytes]:
    """A small TOP trade of two lines; fields may be replaced, or left out with None."""
    whole = msgspec.json.decode((Path(__file__).parents[2] / "ops/trade.json").read_bytes())

    def make(**fields: object) -> bytes:
        trade = {name: value for name, value in {**whole, **fields}.items() if value is not None}
        return msgspec.json.encode({"trade_fullinfo_get_response": {"trade": trade}})

    return make


_TID = 2105811697799960101


@pytest.fixture(scope="session")
def plain_trade() -> Callable[..., dict[str, Any]]:
    """A paid TOP trade with a line at 50.00 for each of `lines`, which hold its changes; keywords change the trade."""

    def build(*lines: dict[str, Any], **changes: Any) -> dict[str, Any]:
        subs = [
            {
                "oid": _TID + number,
                "oid_str": str(_TID + number),
                "num_iid": 600000000000 + number,
                "outer_iid": f"SKU-{number}",
                "outer_sku_id": f"SKU-{number}",
                "title": "示例商品",
                "num": 1,
                "discount_fee": "0.00",
                "adjust_fee": "0.00",
                "part_mjz_discount": "0.00",
                "refund_status": "NO_REFUND",
                "status": "WAIT_SELLER_SEND_GOODS",
                **dict.fromkeys(("price", "total_fee", "divide_order_fee", "payment"), "50.00"),
                **change,
            }
            for number, change in enumerate(lines or ({},), start=1)
        ]
        total = f"{50 * len(subs)}.00"
        trade = {
            "tid": _TID,
            "tid_str": str(_TID),
            "type": "fixed",
            "status": "WAIT_SELLER_SEND_GOODS",
            "created": "2026-11-25 10:00:00",
            "modified": "2026-11-25 10:00:00",
            "pay_time": "2026-11-25 10:00:00",
            "shipping_type": "express",
            "payment": total,
            "total_fee": total,
            "post_fee": "0.00",
            "buyer_nick": "t**1",
            "buyer_open_uid": "AAE1d395895033a6f79",
            "receiver_name": "张**",
            "receiver_mobile": "*******0101",
            "receiver_state": "广东省",
            "receiver_city": "深圳市",
            "receiver_district": "福田区",
            "receiver_town": "莲花街道",
            "receiver_address": "景**路**号",
            "oaid": "1oaid2105811697799960101",
            "seller_flag": 0,
            "trade_from": "WAP,WAP",
            "orders": {"order": subs},
            **changes,
        }
        return {"trade_fullinfo_get_response": {"trade": trade}, "request_id": "x1"}

    return build


@pytest.fixture
def dry(orderlane: Callable[..., Result]) -> Callable[[Any], tuple[int, Any]]:
    """Exit code of the dry run of a payload, and the printed order or what was said instead."""

    def run(payload: Any) -> tuple[int, Any]:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        result = orderlane("normalize", "--platform", "taobao", "-", stdin=body)
        return result.exit_code, json.loads(result.stdout) if result.stdout else result.stderr

    return run
