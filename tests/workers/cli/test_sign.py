import json

import pytest

from adapters.platforms.taobao.sign import sign

SECRET = b"helloworld"
PARAMS = {"method": "taobao.user.get", "app_key": "12345678", "sign_method": "md5"}


@pytest.fixture
def vectors(tmp_path):
    def write(*expected: str):
        rows = [
            {
                "platform": "taobao",
                "algorithm": "top-md5",
                "case": f"case {number}",
                "secret": SECRET.decode(),
                "params": PARAMS,
                "expected": value,
            }
            for number, value in enumerate(expected, start=1)
        ]
        place = tmp_path / "vectors.json"
        place.write_text(json.dumps({"vectors": rows}))
        return place

    return write


@pytest.fixture
def right() -> str:
    return sign(PARAMS, SECRET, "md5")


def test_all_rows_right(orderlane, vectors, right) -> None:
    result = orderlane("sign", "--vectors", vectors(right, right))
    assert result.stdout.splitlines() == ["2 passed, 0 failed"]
    assert result.exit_code == 0


def test_a_wrong_row_is_named_without_its_secret(orderlane, vectors, right) -> None:
    result = orderlane("sign", "--vectors", vectors(right, "00" * 16), "--platform", "taobao")
    first, last = result.stdout.splitlines()
    assert "case 2" in first
    assert last == "1 passed, 1 failed"
    assert SECRET.decode() not in result.output
    assert right not in result.output
    assert result.exit_code == 1


def test_a_filter_that_selects_nothing_is_no_success(orderlane, vectors, right) -> None:
    result = orderlane("sign", "--vectors", vectors(right), "--courier", "sf")
    assert result.stdout.splitlines()[-1] == "0 passed, 0 failed"
    assert "vectors_not_selected" in result.stderr
    assert result.exit_code == 1


@pytest.mark.parametrize("content", ["", "{}", "[1]", "not json"])
def test_an_unreadable_file_is_a_matter_of_usage(orderlane, tmp_path, content) -> None:
    place = tmp_path / "vectors.json"
    place.write_text(content)
    result = orderlane("sign", "--vectors", place)
    assert result.exit_code == 2
    assert result.stderr.startswith("orderlane: vectors_unreadable: ")


def test_a_missing_file_is_a_matter_of_usage(orderlane) -> None:
    assert orderlane("sign", "--vectors", "nowhere.json").exit_code == 2
