"""inspect"""

from infra.tables.sql import load

INSPECT = load("inspect")
