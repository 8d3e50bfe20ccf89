"""Where the rule set comes from: a TOML file, named in the settings or packaged."""

import tomllib
from importlib import resources
from pathlib import Path

from domain.errors import Misconfigured
from domain.rules import InvalidRules, RuleSet, parse_rules

_PACKAGED = "default_rules.toml"


def load_rules(rules_file: str = "") -> RuleSet:
    """The rules of `rules_file`, or the packaged ones when it is empty.

    A file of an earlier version lacks the younger keys: it borrows them from the packaged rules (`borrowed`).

    Raises Misconfigured: ``rules_missing``, ``rules_unreadable``, or ``rules_invalid`` with the key.
    """
    packaged = resources.files("domain") / _PACKAGED
    source = Path(rules_file) if rules_file else packaged
    name = rules_file or _PACKAGED
    try:
        if not source.is_file():
            raise Misconfigured("rules_missing", f"no rules file at {name}")
        rules = tomllib.loads(source.read_bytes().decode())
        return parse_rules(rules, tomllib.loads(packaged.read_bytes().decode()) if rules_file else None)
    except InvalidRules as error:
        raise Misconfigured("rules_invalid", f"{name}: {error}", {"key": error.key}) from None
    except OSError as error:
        raise Misconfigured("rules_missing", f"{name}: {error.strerror}") from None
    except RecursionError:
        raise Misconfigured("rules_unreadable", f"{name}: nested too deeply") from None
    except ValueError as error:
        # Both a broken encoding and broken TOML are ValueErrors.
        raise Misconfigured("rules_unreadable", f"{name}: {error}") from None
