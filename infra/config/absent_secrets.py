"""Which secrets the settings name that are not where they should be: all of them, for whoever puts them there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

# Tables of accounts, and the key that names an account's kind. Warehouses are of one kind.
_KINDS = {"shops": "platform", "couriers": "courier", "locations": "", "channels": "kind"}
_WAREHOUSE = "warehouse"


@dataclass(frozen=True, slots=True)
class AbsentSecret:
    """`account` needs `key`, and `place` is not there: an environment variable's name, or a file's path."""

    account: str
    key: str
    place: str
    is_file: bool


def absent_secrets(file: Path, environ: Mapping[str, str]) -> list[AbsentSecret]:
    """The secrets of accounts that a readable settings file names and that are not there, in the file's order."""
    tree = msgspec.toml.decode(file.read_bytes())
    return [
        absent
        for table, kind in _KINDS.items()
        for entry in tree.get(table, ())
        for absent in _of_account(entry, kind, file.parent, environ)
    ]


def _of_account(
    entry: Mapping[str, Any], kind: str, folder: Path, environ: Mapping[str, str]
) -> Iterator[AbsentSecret]:
    account = f"{entry.get(kind, '') if kind else _WAREHOUSE}/{entry.get('name', '')}"
    for key, reference in entry.get("credentials", {}).items():
        scheme, _, name = str(reference).partition(":")
        if scheme == "env" and not environ.get(name):
            yield AbsentSecret(account, key, name, is_file=False)
        elif scheme == "file" and not (folder / name).is_file():
            yield AbsentSecret(account, key, str(folder / name), is_file=True)
