"""clock"""

from infra.tables.sql import load

CLOCK = load("clock")
