"""Brings the database up to date before anything else starts: ``python -m workers.release``."""

from infra.db.migrate import migrate
from infra.engine.accounts import ensure_accounts
from infra.log import configure, get_logger
from infra.settings import Settings, read_settings
from workers.wiring import database

log = get_logger(__name__)


def release(settings: Settings) -> None:
    """Apply waiting migrations, and make every configured account known. Safe to run by many at once."""
    with database(settings, 1) as db:
        with db.direct() as session:
            applied = migrate(session)
        with db.transaction() as tx:
            ensure_accounts(tx, settings)
    log.info("released", applied=len(applied))


def main() -> None:
    settings = read_settings()
    configure(settings.log_format, settings.log_level)
    release(settings)


if __name__ == "__main__":
    main()
