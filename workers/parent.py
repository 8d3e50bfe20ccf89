"""Whether the process that started this one is gone."""

import os

_parent = os.getppid()


def is_orphaned() -> bool:
    """A child of the supervisor must not outlive the supervisor. A process that was started by hand has a shell or init
    as parent.
    """
    return os.getppid() != _parent
