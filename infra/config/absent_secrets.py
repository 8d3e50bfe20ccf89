"""Lists all secrets that the settings name and that are missing in their place."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from infra.config.secret import Secret
from infra.config.settings import Channel, CourierContract, Location, Shop, read_settings

# The value of a missing secret.
ABSENT = Secret("absent")


@dataclass(frozen=True, slots=True)
class AbsentSecret:
    """`account` needs `key`, and `place` is not there: an environment variable's name, or a file's path."""

    account: str
    key: str
    place: str
    is_file: bool


def absent_secrets(file: Path, environ: Mapping[str, str]) -> list[AbsentSecret]:
    """The secrets of accounts that a settings file names and that are not there, in the file's order.

    Raises Misconfigured for settings that cannot be read.
    """
    settings = read_settings(file, environ, absent=ABSENT)
    tree = msgspec.toml.decode(file.read_bytes())
    tables: Mapping[str, Sequence[Shop | CourierContract | Location | Channel]] = {
        "shops": settings.shops,
        "couriers": settings.couriers,
        "locations": settings.locations,
        "channels": settings.channels,
    }
    return [
        absent
        for table, accounts in tables.items()
        for account, entry in zip(accounts, tree.get(table, ()), strict=True)
        for absent in _of_account(account.account, entry.get("credentials", {}), file.parent, environ)
    ]


def _of_account(
    account: str, credentials: Mapping[str, str], folder: Path, environ: Mapping[str, str]
) -> Iterator[AbsentSecret]:
    for key, reference in credentials.items():
        scheme, _, name = reference.partition(":")
        if scheme == "env" and not environ.get(name):
            yield AbsentSecret(account, key, name, is_file=False)
        elif scheme == "file" and not (folder / name).is_file():
            yield AbsentSecret(account, key, str(folder / name), is_file=True)
