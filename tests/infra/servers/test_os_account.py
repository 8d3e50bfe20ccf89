import os
import pwd
from pathlib import Path

import pytest

from domain.errors import Misconfigured
from infra.servers.os_account import OsAccount, service_account


@pytest.fixture
def us() -> OsAccount:
    user = pwd.getpwuid(os.geteuid())
    return OsAccount(user.pw_name, user.pw_uid, user.pw_gid)


@pytest.fixture
def nobody() -> OsAccount:
    user = pwd.getpwnam("nobody")
    return OsAccount(user.pw_name, user.pw_uid, user.pw_gid)


@pytest.mark.usefixtures("as_root")
def test_root_takes_the_configured_user_else_a_usual_one() -> None:
    assert service_account("nobody").name == "nobody"
    assert service_account().uid != 0


@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize(
    ("wanted", "code"), [("no-such-user", "service_user_missing"), ("root", "service_user_is_root")]
)
def test_root_cannot_hand_over_to_just_anybody(wanted: str, code: str) -> None:
    with pytest.raises(Misconfigured, match=code):
        service_account(wanted)


def test_others_run_the_stores_as_themselves(us: OsAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: pwd.getpwnam("nobody").pw_uid)
    assert service_account().name == "nobody"
    assert not service_account("nobody").is_other
    with pytest.raises(Misconfigured, match="service_user_needs_root"):
        service_account("postgres")


def test_runs_in_a_clean_environment(us: OsAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_APP_SECRET", "shown-to-nobody")
    seen = us.run(["/usr/bin/env"]).stdout
    assert "LC_ALL=C" in seen
    assert "SHOP_APP_SECRET" not in seen


def test_a_program_that_cannot_run_is_named(us: OsAccount) -> None:
    done = us.run(["/no/such/program"])
    assert done.returncode == 126
    assert "cannot run /no/such/program" in done.stdout


@pytest.mark.usefixtures("as_root")
def test_another_user_enters_only_where_it_may(nobody: OsAccount, tmp_path: Path, stores_base: Path) -> None:
    assert nobody.is_other
    assert nobody.can_enter(stores_base)
    tmp_path.chmod(0o700)
    assert not nobody.can_enter(tmp_path)


@pytest.mark.usefixtures("as_root")
def test_nothing_of_root_is_left(nobody: OsAccount) -> None:
    assert nobody.run(["/usr/bin/id", "-u"]).stdout.strip() == str(nobody.uid)
    assert nobody.run(["/usr/bin/id", "-G"]).stdout.strip() == str(nobody.gid)


@pytest.mark.usefixtures("as_root")
def test_a_folder_of_another_user_is_taken_over_with_its_content(nobody: OsAccount, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "inner").mkdir(parents=True)
    (folder / "link").symlink_to("/etc/passwd")
    nobody.own(folder)
    assert {place.lstat().st_uid for place in (folder, folder / "inner", folder / "link")} == {nobody.uid}
    assert Path("/etc/passwd").stat().st_uid == 0


def test_a_new_folder_is_private(us: OsAccount, tmp_path: Path) -> None:
    us.own(tmp_path / "data")
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
