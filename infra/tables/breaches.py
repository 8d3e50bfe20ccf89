"""Invariants that did not hold at the last check."""

from infra.tables.sql import load

BREACHES = load("breaches")
