"""Measurements: one command for each; settings are printed with every figure, and no test depends on wall-clock
time.
"""

import actors  # noqa: F401 - says where the map of steps comes from
