"""ledger"""

from infra.tables.sql import load

LEDGER = load("ledger")
