"""The processes: composition roots that build everything from settings, start it and stop it cleanly."""

import sys

import actors  # noqa: F401 - says where the map of steps comes from; no step is imported yet

if "dramatiq.cli" in sys.modules:
    # It would find no actor in here, and serve nothing without a word.
    sys.exit("orderlane: start workers by `orderlane run` or `python -m workers.worker --pool NAME`, not by `dramatiq`")
