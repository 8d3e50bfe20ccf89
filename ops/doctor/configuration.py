"""Settings, rules, and the folder they point to."""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from domain.errors import Misconfigured
from infra.config.absent_secrets import ABSENT, AbsentSecret
from infra.config.directory import directory_of
from infra.config.rules import load_rules
from infra.config.settings import Settings, data_dir, read_settings
from ops.doctor.check import Check, fail, ok, warn

_GIB = 1024**3
FREE_LOW_BYTES = 5 * _GIB
FREE_LEAST_BYTES = _GIB


def read(file: Path, environ: Mapping[str, str]) -> tuple[Settings | None, Check]:
    """The settings, if they can be read: no unknown key. A missing secret has a placeholder."""
    if not file.is_file():
        return None, fail("settings", f"no settings file at {file}", "`orderlane init` writes one")
    try:
        settings = _readable(file, environ)
    except Misconfigured as error:
        return None, fail("settings", str(error), "correct it and ask again; nothing else was checked")
    counts = (
        f"{len(settings.shops)} shops, {len(settings.couriers)} couriers, "
        f"{len(settings.locations)} locations, {len(settings.channels)} channels"
    )
    missing = [
        name
        for name, configured in (
            ("shops", settings.shops),
            ("couriers", settings.couriers),
            ("locations", settings.locations),
        )
        if not configured
    ]
    if missing:
        return settings, fail("settings", f"{file}: {counts}", f"add at least one each of: {', '.join(missing)}")
    if not settings.channels:
        return settings, warn("settings", f"{file}: {counts}", "without [[channels]] no notice of a shipment is sent")
    return settings, ok("settings", f"{file}: {counts}")


def _readable(file: Path, environ: Mapping[str, str]) -> Settings:
    """Raises Misconfigured for the first mistake. The address of a store has no placeholder."""
    try:
        return read_settings(file, environ, absent=ABSENT)
    except Misconfigured:
        read_settings(file, environ)
        raise


def secrets(absent: Iterable[AbsentSecret]) -> Iterator[Check]:
    """One line for each secret that is not where the settings say."""
    for one in absent:
        if one.is_file:
            yield fail(one.account, f"{one.key}: no file at {one.place}", "write the value into it, then chmod 600")
        else:
            yield fail(one.account, f"{one.key}: variable {one.place} is not set", f"export {one.place}=VALUE")


def rules(settings: Settings) -> Check:
    name = settings.rules_file or "the packaged rules"
    try:
        loaded = load_rules(settings.rules_file)
    except Misconfigured as error:
        return fail("rules", str(error), "correct the file; domain/default_rules.toml shows every key")
    ours = set(directory_of(settings).courier_names)
    unused = sorted({rule.name for rule in loaded.routing.couriers} - ours)
    accounts = {courier.account for courier in settings.couriers}
    named = {rule.account for rule in loaded.routing.couriers} | set(loaded.routing.courier_by_province.values())
    if strangers := sorted(name for name in named - accounts if "/" in name):
        return fail("rules", f"{name}: no courier account {', '.join(strangers)}", "correct it in [routing]")
    unruled = sorted(ours - {rule.name for rule in loaded.routing.couriers})
    if unruled:
        return fail("rules", f"{name}: no rule for courier {', '.join(unruled)}", "add it to routing.couriers")
    hint = f", couriers without an account: {', '.join(unused)}" if unused else ""
    if loaded.borrowed:
        missing = ", ".join(loaded.borrowed)
        message = f"{name}, version {loaded.version}, has no {missing}: the packaged values hold{hint}"
        return warn("rules", message, "copy them from domain/default_rules.toml and choose")
    return ok("rules", f"{name}, version {loaded.version}{hint}")


def free_space(settings: Settings) -> Check:
    """Room on the disk of the private stores."""
    folder = data_dir(settings)
    place = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
    free = shutil.disk_usage(place).free
    message = f"{free / _GIB:.1f} GiB free at {folder}"
    if free < FREE_LEAST_BYTES:
        return fail("disk", message, "make room: Postgres stops when the disk is full")
    if free < FREE_LOW_BYTES:
        return warn("disk", message, "make room before it runs out")
    return ok("disk", message)
