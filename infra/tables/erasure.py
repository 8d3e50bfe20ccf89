"""erasure"""

from infra.tables.sql import load

ERASURES = load("erasure")
