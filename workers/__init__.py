"""The processes: composition roots that build everything from settings, start it and stop it cleanly."""

import sys

import actors  # noqa: F401 - says where the map of steps comes from; no step is imported yet

if "dramatiq.cli" in sys.modules and not any(word.partition(":")[0] == "workers.app" for word in sys.argv[1:]):
    # It would find no actor in here, and serve nothing without a word.
    sys.exit(
        "orderlane: Dramatiq's command serves `dramatiq workers.app`; "
        "otherwise start workers by `orderlane run` or `python -m workers.worker --pool NAME`"
    )
