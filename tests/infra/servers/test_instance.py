"""The life of a private instance: start, share, stop, and all the ways in which it ends too early."""

import json
import os
import pwd
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import psycopg
import pytest
from redis import Redis

from domain.errors import Misconfigured
from infra.config.secret import Secret
from infra.config.settings import Settings
from infra.servers import Connection, EmbeddedStores, open_stores
from infra.servers.os_account import OsAccount, service_account
from infra.servers.postgres import _CONFIGURATION
from infra.servers.process import _running_in

PROGRAMS = ("postgres", "redis-server", "valkey-server")

OWNER = """
import sys, threading
from infra.config.settings import Settings, Stores
from infra import servers

owner = servers.EmbeddedStores(Settings(stores=Stores(data_dir=sys.argv[1], fsync=False)))
if sys.argv[2] == "main":
    owner.start()
else:
    starter = threading.Thread(target=owner.start)
    starter.start()
    starter.join()
print(owner.connection.database_url.reveal(), flush=True)
sys.stdin.read()
"""

# Becomes another user after its imports, because our packages may lie where only root can go.
UNPRIVILEGED = """
import json, os, sys
from pathlib import Path
import psycopg
from redis import Redis
from infra.config.settings import Settings, Stores
from infra.servers import open_stores

Redis.from_url("unix:///nowhere")  # imports more at its first use
folder, uid, gid, sys.executable = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
os.setgroups([])
os.setgid(gid)
os.setuid(uid)
with open_stores(Settings(stores=Stores(data_dir=folder, fsync=False))) as connection:
    with psycopg.connect(connection.database_url.reveal()) as session:
        (answer,) = session.execute("SELECT 42").fetchone()
    with Redis.from_url(connection.redis_url.reveal()) as client:
        pong = client.ping()
    owner = Path(folder, "postgres/cluster").stat().st_uid
print(json.dumps({"uid": os.geteuid(), "owner": owner, "answer": answer, "pong": pong}))
"""


def ask(connection: Connection, statement: str) -> list[tuple]:
    with psycopg.connect(connection.database_url.reveal(), autocommit=True) as session:
        cursor = session.execute(statement)
        return cursor.fetchall() if cursor.description else []


def client(connection: Connection) -> Redis:
    return Redis.from_url(connection.redis_url.reveal())


def sockets_of(connection: Connection) -> Path:
    return Path(psycopg.conninfo.conninfo_to_dict(connection.database_url.reveal())["host"])


def servers_of(home: Path) -> set[int]:
    return {pid for folder in ("postgres/cluster", "redis") for pid in _running_in(home / folder, PROGRAMS)}


def main_server(home: Path, name: str) -> int:
    folder = {"postgres": "postgres/cluster", "redis": "redis"}[name]
    found = _running_in(home / folder, PROGRAMS)
    (root,) = (pid for pid, parent in found.items() if parent not in found)
    return root


@pytest.fixture
def killed_owner(home: Path, eventually):
    """Starts an owner in a process of its own, stores a row, kills the owner without warning."""

    def start_and_kill(thread: str) -> Path:
        command = [sys.executable, "-c", OWNER, str(home), thread]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
            url = owner.stdout.readline().strip()
            with psycopg.connect(url, autocommit=True) as session:
                session.execute("CREATE TABLE kept AS SELECT 7 AS number")
            owner.kill()
        return Path(psycopg.conninfo.conninfo_to_dict(url)["host"])

    return start_and_kill


def test_data_in_postgres_survives_a_restart_and_redis_starts_empty(settings: Settings) -> None:
    with open_stores(settings) as connection:
        assert connection.embedded
        ask(connection, "CREATE TABLE kept AS SELECT 7 AS number")
        client(connection).set("lost", "1")
    with open_stores(settings) as connection:
        assert ask(connection, "SELECT number FROM kept") == [(7,)]
        assert client(connection).keys() == []


def test_nothing_is_left_after_a_stop(settings: Settings, home: Path) -> None:
    with open_stores(settings) as connection:
        assert servers_of(home)
    assert not servers_of(home)
    assert not sockets_of(connection).exists()
    assert not (home / "instance.json").exists()


def test_reached_by_private_sockets_only(settings: Settings, home: Path) -> None:
    with open_stores(settings) as connection:
        assert stat.S_IMODE(sockets_of(connection).stat().st_mode) == 0o700
        tables = [Path("/proc/net", name).read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
        on_network = {line.split()[9] for table in tables for line in table}
        opened = set()
        for pid in servers_of(home):
            opened |= {str(place.readlink()) for place in Path(f"/proc/{pid}/fd").iterdir()}
        assert any(name.startswith("socket:") for name in opened)
        assert not opened & {f"socket:[{inode}]" for inode in on_network}


def test_commits_are_durable_unless_a_test_says_otherwise(settings: Settings) -> None:
    shown = (
        "SELECT current_setting('fsync'), current_setting('synchronous_commit'), current_setting('full_page_writes')"
    )
    with open_stores(settings) as connection:
        assert ask(connection, shown) == [("off", "off", "off")]
    durable = msgspec.structs.replace(settings, stores=msgspec.structs.replace(settings.stores, fsync=True))
    with open_stores(durable) as connection:
        assert ask(connection, shown) == [("on", "on", "on")]
        assert client(connection).config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_two_instances_do_not_disturb_each_other(settings: Settings, homes) -> None:
    with open_stores(settings) as one, open_stores(settings, homes("two")) as two:
        ask(one, "CREATE TABLE mine (id integer)")
        client(one).set("mine", "1")
        assert ask(two, "SELECT to_regclass('mine')") == [(None,)]
        assert client(two).keys() == []


def test_a_second_opener_attaches_and_leaves_the_servers_running(settings: Settings) -> None:
    with open_stores(settings) as owner:
        with open_stores(settings) as guest:
            assert guest == owner
        assert ask(owner, "SELECT 1") == [(1,)]


def test_openers_at_the_same_time_share_one_instance(settings: Settings) -> None:
    def hold(_: int) -> str:
        with open_stores(settings) as connection:
            here.wait(30)
            return connection.database_url.reveal()

    here = threading.Barrier(3)
    with ThreadPoolExecutor(3) as pool:
        assert len(set(pool.map(hold, range(3)))) == 1


def test_a_second_owner_is_refused(settings: Settings) -> None:
    with EmbeddedStores(settings), pytest.raises(Misconfigured, match="instance_running"):
        EmbeddedStores(settings).start()


def test_servers_end_with_a_killed_owner_and_the_next_finds_the_data(settings, home, killed_owner, eventually) -> None:
    sockets = killed_owner("main")
    eventually(lambda: not servers_of(home))
    with open_stores(settings) as connection:
        assert ask(connection, "SELECT number FROM kept") == [(7,)]
        assert not sockets.exists()


def test_servers_that_outlive_their_owner_are_ended_by_the_next(settings, home, killed_owner) -> None:
    sockets = killed_owner("other")
    orphans = servers_of(home)
    assert len(orphans) > 2
    with open_stores(settings) as connection:
        assert not orphans & servers_of(home)
        assert ask(connection, "SELECT number FROM kept") == [(7,)]
        assert not sockets.exists()


def bear_recorded_pid(home: Path, stranger: subprocess.Popen) -> None:
    lines = [str(stranger.pid), str(home / "postgres/cluster"), "1795381900", "5432", "", "", "", ""]
    (home / "postgres/cluster/postmaster.pid").write_text("\n".join(lines))


@pytest.fixture
def stranger(home: Path):
    """A process that got the pid of a dead Postgres, under the same user."""
    account = service_account()
    process = account.spawn(["/bin/sleep", "60"], folder=Path("/"), log=subprocess.DEVNULL)
    yield process
    process.kill()
    process.wait()


def test_a_recorded_pid_that_belongs_to_a_stranger_is_no_obstacle(settings, home, stranger) -> None:
    with open_stores(settings):
        pass
    bear_recorded_pid(home, stranger)
    with open_stores(settings) as connection:
        assert ask(connection, "SELECT 1") == [(1,)]
    assert stranger.poll() is None


def test_without_looking_for_leftovers_the_stranger_blocks_the_start(settings, home, stranger, monkeypatch) -> None:
    with open_stores(settings):
        pass
    bear_recorded_pid(home, stranger)
    monkeypatch.setattr("infra.servers.postgres.end_leftovers", lambda *_: False)
    with pytest.raises(Misconfigured, match=r"postmaster\.pid"), open_stores(settings):
        pass


@pytest.mark.parametrize("name", ["postgres", "redis"])
def test_a_dead_server_is_noticed_and_brought_back(settings: Settings, home: Path, name: str, eventually) -> None:
    with EmbeddedStores(settings) as stores:
        assert stores.check() == ()
        before = stores.connection
        os.kill(main_server(home, name), signal.SIGKILL)
        eventually(stores.check)
        assert stores.check() == (name,)
        stores.restart(name)
        assert stores.check() == ()
        assert stores.connection == before


def test_configured_stores_are_taken_as_they_are(settings: Settings, home: Path) -> None:
    urls = {"database_url": Secret("postgresql://db/x"), "redis_url": Secret("redis://cache/0")}
    configured = msgspec.structs.replace(settings, stores=msgspec.structs.replace(settings.stores, **urls))
    with open_stores(configured) as connection:
        assert connection == Connection(**urls, embedded=False)
    assert not home.exists()


def test_one_configured_store_leaves_the_other_private(settings: Settings, home: Path) -> None:
    half = msgspec.structs.replace(settings.stores, database_url=Secret("postgresql://db/x"))
    with open_stores(msgspec.structs.replace(settings, stores=half)) as connection:
        assert connection.database_url.reveal() == "postgresql://db/x"
        assert connection.embedded
        assert client(connection).ping()
        assert not (home / "postgres").exists()
        with pytest.raises(Misconfigured, match="instance_differs"), open_stores(settings):
            pass


def test_a_server_that_cannot_start_says_why(settings: Settings, home: Path) -> None:
    with open_stores(settings):
        pass
    (home / "postgres/cluster/global/pg_control").unlink()
    with pytest.raises(Misconfigured, match="postgres_not_started") as caught, open_stores(settings):
        pass
    assert "pg_control" in caught.value.message
    assert not servers_of(home)
    assert not (home / "instance.json").exists()


def test_a_failing_initdb_says_why(settings: Settings, home: Path) -> None:
    (home / "postgres").mkdir(parents=True)
    home.chmod(0o755)
    (home / "postgres/unfinished").write_text("in the way")
    with pytest.raises(Misconfigured, match="postgres_not_initialized") as caught, open_stores(settings):
        pass
    assert "unfinished" in caught.value.message


def test_data_of_another_major_version_is_left_alone(settings: Settings, home: Path) -> None:
    with open_stores(settings):
        pass
    (home / "postgres/cluster/PG_VERSION").write_text("15\n")
    with pytest.raises(Misconfigured, match="postgres_version"), open_stores(settings):
        pass


@pytest.mark.usefixtures("as_root")
def test_a_folder_the_service_user_cannot_reach_is_refused_with_advice(settings: Settings, homes) -> None:
    private = homes("private")
    private.mkdir(mode=0o700)
    with pytest.raises(Misconfigured, match="data_dir_unreachable") as caught, open_stores(settings, private / "data"):
        pass
    assert "chmod o+x" in caught.value.message


def test_a_folder_that_cannot_be_made_is_refused(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured, match="data_dir_unusable"), open_stores(settings, tmp_path / "file" / "data"):
        pass


def test_no_server_sees_our_environment(settings: Settings, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_APP_SECRET", "shown-to-nobody")
    with open_stores(settings):
        seen = [Path(f"/proc/{pid}/environ").read_bytes() for pid in servers_of(home)]
    assert seen
    assert not any(b"shown-to-nobody" in environment for environment in seen)


def fail_with_personal_data(settings: Settings) -> None:
    with open_stores(settings) as connection:
        ask(connection, "CREATE TABLE receiver (phone text UNIQUE, rank integer)")
        ask(connection, "INSERT INTO receiver VALUES ('13800138000', 1)")
        for statement in ("INSERT INTO receiver VALUES ('13800138000', 2)", "SELECT '13800138000'::date"):
            with pytest.raises(psycopg.Error):
                ask(connection, statement)


def test_the_server_log_does_not_quote_personal_data(settings: Settings, home: Path) -> None:
    fail_with_personal_data(settings)
    log = (home / "log/postgres.log").read_text()
    assert "database system is ready" in log
    assert "13800138000" not in log


def test_postgres_left_to_itself_would_quote_personal_data(settings: Settings, home: Path, monkeypatch) -> None:
    for name in ("log_min_messages", "log_min_error_statement", "log_error_verbosity"):
        monkeypatch.delitem(_CONFIGURATION, name)
    fail_with_personal_data(settings)
    assert "Key (phone)=(13800138000) already exists" in (home / "log/postgres.log").read_text()


@pytest.mark.usefixtures("as_root")
def test_root_hands_the_servers_to_a_service_user(settings: Settings, home: Path) -> None:
    account = service_account()
    with open_stores(settings):
        owners = {Path(f"/proc/{pid}").stat().st_uid for pid in servers_of(home)}
    assert owners == {account.uid}
    assert account.uid != 0


@pytest.mark.usefixtures("as_root")
def test_works_without_root(homes: Callable[[str], Path]) -> None:
    nobody = pwd.getpwnam("nobody")
    account = OsAccount(nobody.pw_name, nobody.pw_uid, nobody.pw_gid)
    python = next((path for path in (sys.executable, "/usr/bin/python3") if is_runnable(path, account)), None)
    if python is None:
        pytest.skip("no Python that another user can run")
    home = homes("nobody")
    home.mkdir()
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    command = [sys.executable, "-c", UNPRIVILEGED, str(home), str(nobody.pw_uid), str(nobody.pw_gid), python]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"uid": nobody.pw_uid, "owner": nobody.pw_uid, "answer": 42, "pong": True}


def is_runnable(program: str, account: OsAccount) -> bool:
    return account.run([program, "--version"]).returncode == 0
