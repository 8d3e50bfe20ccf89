"""The drills' own queries: harm that they do on purpose, time that they let pass, and what they look at."""

from pathlib import Path

from infra.tables.sql import load

DRILLS = load("drills", Path(__file__).parent)
