import msgspec
import pytest

from domain.errors import Misconfigured
from sandbox.spec import read_spec


def test_a_spec_file_is_read_back(tmp_path, spec):
    file = tmp_path / "spec.json"
    file.write_bytes(msgspec.json.encode(spec))
    assert read_spec(file) == spec


@pytest.mark.parametrize("change", [{"unknown": 1}, {"secrets": {}}, {"orders": "many"}])
def test_a_wrong_spec_names_its_key(tmp_path, spec, change):
    file = tmp_path / "spec.json"
    file.write_bytes(msgspec.json.encode(msgspec.to_builtins(spec) | change))
    with pytest.raises(Misconfigured, match=r"unknown|app_key|orders") as caught:
        read_spec(file)
    assert caught.value.code == "spec_invalid"


def test_a_missing_spec(tmp_path):
    with pytest.raises(Misconfigured, match="spec_missing"):
        read_spec(tmp_path / "none.json")


def test_secrets_do_not_show_themselves(secrets):
    assert secrets.app_secret not in repr(secrets)


def test_each_shop_has_its_own_session(secrets):
    assert secrets.session_of("a") == secrets.session_of("a") != secrets.session_of("b")
