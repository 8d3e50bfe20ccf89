"""Settings of Python's cycle collector for a process that runs for weeks."""

import gc

# New objects until the youngest generation is scanned, and how many scans lead to a scan of the next one. Python's
# default (700, 10, 10) scans hundreds of times a second, for objects that reference counting frees anyway.
_THRESHOLDS = (10_000, 20, 20)


def tune_collector() -> None:
    """Call once all objects of the process are made: objects that live as long as the process are never scanned again.

    Freezing and rarer scans save a twelfth of a worker's CPU (``docs/explanation/performance.md``). Cycles, mostly
    those of exceptions, are freed a little later.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
