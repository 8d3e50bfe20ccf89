"""Measurements: one command each, settings printed beside every figure, and never a test by wall clock."""

import actors  # noqa: F401 - says where the map of steps comes from
