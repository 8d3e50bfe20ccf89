import json
import resource

import pytest


@pytest.fixture
def file(tmp_path):
    def write(content: bytes):
        place = tmp_path / "trade.json"
        place.write_bytes(content)
        return place

    return write


def test_a_sound_payload_prints_the_canonical_order(orderlane, file, trade) -> None:
    result = orderlane("normalize", "--platform", "taobao", file(trade()))
    order = json.loads(result.stdout)
    assert result.exit_code == 0
    assert order["key"]["platform_order_id"] == "1001"
    assert order["receiver"]["name"] == "张三"
    assert result.stderr == ""


def test_standard_input_is_read_for_a_dash(orderlane, trade) -> None:
    result = orderlane("normalize", "--platform", "taobao", "--shop", "s1", "-", stdin=trade())
    assert json.loads(result.stdout)["key"]["shop"] == "s1"


def test_sums_that_do_not_add_up_print_the_hold_and_exit_with_3(orderlane, file, trade) -> None:
    result = orderlane("normalize", "--platform", "taobao", file(trade(payment="24.00")))
    assert result.exit_code == 3
    assert [hold["code"] for hold in json.loads(result.stdout)["holds"]] == ["amount_mismatch"]


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (lambda trade: trade(payment=None), "orderlane: field_missing: trade.payment is missing"),
        (lambda trade: trade(payment="a lot"), "orderlane: field_invalid: trade.payment cannot be read"),
        (lambda trade: trade(status="TRADE_OF_TOMORROW"), "orderlane: status_unknown:"),
        (lambda trade: trade()[:-40], "orderlane: payload_truncated: the JSON ends too early"),
        (lambda _: b"", "orderlane: payload_"),
        (lambda _: b"\xff\xfe\x00 nonsense", "orderlane: payload_unreadable:"),
        (lambda _: b"[" * 200_000, "orderlane: payload_unreadable:"),
    ],
)
def test_each_fault_has_its_own_typed_error_and_exit_code_4(orderlane, file, trade, spoil, line) -> None:
    result = orderlane("normalize", "--platform", "taobao", file(spoil(trade)))
    assert result.exit_code == 4
    assert result.stdout == ""
    assert result.stderr.startswith(line)
    assert result.stderr.count("\n") == 1


def test_an_error_never_quotes_the_receiver(orderlane, file, trade) -> None:
    result = orderlane("normalize", "--platform", "taobao", file(trade(payment=None)))
    assert "张三" not in result.output
    assert "13812345678" not in result.output


@pytest.mark.slow
def test_twenty_megabytes_of_nonsense_take_bounded_memory_and_time(orderlane_process, file) -> None:
    def limit() -> None:
        # Address space and processor seconds: what an unbounded read would run into.
        resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
        resource.setrlimit(resource.RLIMIT_DATA, (400 * 1024**2, 400 * 1024**2))

    done = orderlane_process("normalize", "--platform", "taobao", file(b"nonsense " * 2_300_000), preexec_fn=limit)
    assert done.stderr == "orderlane: payload_too_large: more than 8388608 bytes\n"
    assert done.returncode == 4


def test_an_unknown_platform_is_a_matter_of_usage(orderlane, file, trade) -> None:
    result = orderlane("normalize", "--platform", "ebay", file(trade()))
    assert result.exit_code == 2
    assert result.stderr.startswith("orderlane: platform_unknown: known are: ")
    assert "taobao" in result.stderr


def test_a_missing_file_is_a_matter_of_usage(orderlane) -> None:
    assert orderlane("normalize", "--platform", "taobao", "nowhere.json").exit_code == 2


@pytest.mark.parametrize("shop", ["\udcff", "s\ud800"])
def test_a_shop_that_is_no_text_is_a_matter_of_usage(orderlane, file, trade, shop) -> None:
    assert orderlane("normalize", "--platform", "taobao", "--shop", shop, file(trade())).exit_code == 2


def test_a_file_that_cannot_be_read_is_one_line(orderlane, trade, file, monkeypatch) -> None:
    def fails(_stream):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("workers.cli.normalize.read_bounded", fails)
    result = orderlane("normalize", "--platform", "taobao", file(trade()))
    assert (result.exit_code, isinstance(result.exception, SystemExit)) == (2, True)
    assert "Input/output error" in result.output
