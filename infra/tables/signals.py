"""signals"""

from infra.tables.sql import load

SIGNALS = load("signals")
