"""The processes: modules that build all objects from the settings, start them and stop them in order."""

import sys

import actors  # noqa: F401 - says where the map of steps comes from; no step is imported yet

if "dramatiq.cli" in sys.modules and not any(word.partition(":")[0] == "workers.app" for word in sys.argv[1:]):
    # Dramatiq would find no actor in this package, and would serve nothing without an error.
    sys.exit(
        "orderlane: Dramatiq's command serves `dramatiq workers.app`; "
        "otherwise start workers by `orderlane run` or `python -m workers.worker --pool NAME`"
    )
