"""bulk"""

from infra.tables.sql import load

BULK = load("bulk")
