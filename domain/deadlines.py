"""When an order must have left."""

from datetime import datetime, timedelta

from domain.rules import RuleSet


def ship_by(platform: str, paid_at: datetime | None, promised: datetime | None, rules: RuleSet) -> datetime | None:
    """The ship-by time; None while nothing is paid and nothing promised.

    `promised` is the payload's own date and always wins: a presale ships by its own date, and a
    platform that names one counts its penalties from it.
    """
    if promised is not None:
        return promised
    if paid_at is None:
        return None
    hours = rules.ship_by.platform_h.get(platform, rules.ship_by.default_h)
    return paid_at + timedelta(hours=hours)
