"""Whether a configured store is reached in a way that strangers can listen to or use.

A socket and a loopback address stay on this machine. Over a network a store must require a password and use TLS: anyone
who reaches Redis can send bells for any work, and anyone who reaches Postgres can read all buyers.
"""

import ipaddress
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

from domain.errors import Misconfigured

# `prefer`, the usual one, falls back to plain text.
_TLS = frozenset({"require", "verify-ca", "verify-full"})
_CREDENTIALS = (("password", "PGPASSWORD"), ("passfile", "PGPASSFILE"), ("sslcert", "PGSSLCERT"))
_REDIS_SCHEMES = frozenset({"redis", "rediss", "unix"})


def check_database(url: str, environ: Mapping[str, str]) -> None:
    """Raise Misconfigured if libpq would use this address without a password or TLS over a network. `environ` may
    supply missing parts.
    """
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # The error text of libpq quotes the address with its password.
        raise Misconfigured("database_url_invalid", "ORDERLANE_DATABASE_URL cannot be read") from None

    def value(name: str, variable: str) -> str:
        return str(given.get(name) or environ.get(variable, ""))

    hosts = value("hostaddr", "PGHOSTADDR") or value("host", "PGHOST")
    outside = [host for host in hosts.split(",") if not _is_here(host)]
    if not outside:
        return
    has_password = any(value(name, variable) for name, variable in _CREDENTIALS)
    _require("the database", outside[0], has_password=has_password, has_tls=value("sslmode", "PGSSLMODE") in _TLS)


def check_redis(url: str) -> None:
    """Raise Misconfigured if the client would use this address without a password or TLS over a network."""
    try:
        parts = urlsplit(url)
        host, password = parts.hostname or "", parts.password or "".join(parse_qs(parts.query).get("password", ()))
    except ValueError:
        raise Misconfigured("redis_url_invalid", "ORDERLANE_REDIS_URL cannot be read") from None
    if parts.scheme not in _REDIS_SCHEMES:
        raise Misconfigured("redis_url_invalid", "ORDERLANE_REDIS_URL begins with redis://, rediss:// or unix://")
    if parts.scheme != "unix" and not _is_here(host or "localhost"):
        _require("Redis", host, has_password=bool(password), has_tls=parts.scheme == "rediss")


def _is_here(host: str) -> bool:
    """A socket's folder, an abstract socket, nothing at all (a socket again), or a loopback address."""
    if not host or host[0] in "/@" or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _require(store: str, host: str, *, has_password: bool, has_tls: bool) -> None:
    missing = [name for name, is_there in (("TLS", has_tls), ("a password", has_password)) if not is_there]
    if missing:
        advice = "add it, use a socket or the loopback, or set stores.trusts_network for a network of your own"
        raise Misconfigured("store_exposed", f"{store} at {host} is reached without {' and '.join(missing)}: {advice}")
