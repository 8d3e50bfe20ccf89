"""Python's cycle collector in a process that serves for weeks."""

import gc

# New objects before the youngest generation is looked at, and how many looks make one at the next. Python's
# (700, 10, 10) looks hundreds of times a second at objects that reference counting frees by itself.
_THRESHOLDS = (10_000, 20, 20)


def settle_collector() -> None:
    """Call once everything is wired: what lives as long as the process is never looked at again.

    Freezing and rarer looks take a twelfth of a worker's CPU away (``docs/explanation/performance.md``); cycles, mostly those of
    exceptions, wait a little longer.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
