"""Whether the process that started this one is gone."""

import os

_parent = os.getppid()


def is_orphaned() -> bool:
    """A child of the supervisor must not outlive it; started by hand it has a shell or init as parent."""
    return os.getppid() != _parent
