"""Drills: make parts of a whole instance fail on purpose, and check that every order ends and nothing happens twice."""

import actors  # noqa: F401 - says where the map of steps comes from
