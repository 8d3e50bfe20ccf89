"""The private Redis. It keeps nothing on disk: everything in it can be made again from Postgres."""

import signal
from pathlib import Path
from urllib.parse import quote

from infra.config.secret import Secret
from infra.servers.os_account import OsAccount
from infra.servers.ping import pings
from infra.servers.process import ServerProcess, end_leftovers
from infra.servers.programs import REDIS_NAMES

_CONFIGURATION = {
    "port": "0",
    "unixsocketperm": "700",
    "daemonize": "no",
    "save": "",
    "appendonly": "no",
    # A full queue must fail loudly; evicting keys would lose waiting messages one by one.
    "maxmemory-policy": "noeviction",
}


class Redis:
    """A server that runs in `folder`, reached by a socket in `sockets`."""

    name = "redis"

    def __init__(self, folder: Path, sockets: Path, log: Path, account: OsAccount, program: Path) -> None:
        self._folder = folder
        self._socket = sockets / "redis.sock"
        self._program = program
        self._process = ServerProcess(self.name, folder, log, account)

    @property
    def url(self) -> Secret:
        return Secret(f"unix://{quote(str(self._socket))}?db=0")

    def start(self) -> None:
        """End leftovers, start, wait until it answers. Raises Misconfigured with the server's own words."""
        end_leftovers(self._folder, REDIS_NAMES, signal.SIGTERM)
        configuration = _CONFIGURATION | {"unixsocket": str(self._socket), "dir": str(self._folder)}
        options = [word for key, value in configuration.items() for word in (f"--{key}", value)]
        self._process.start([str(self._program), *options], end_signal=signal.SIGTERM, is_ready=self._answers)

    def stop(self) -> None:
        self._process.stop(signal.SIGTERM)

    def is_up(self) -> bool:
        return self._process.is_running and self._answers()

    def _answers(self) -> bool:
        return pings(self.url.reveal())
