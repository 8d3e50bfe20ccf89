"""How this process returns memory to the system."""

import ctypes

# glibc's mallopt, parameter M_MMAP_THRESHOLD: see malloc.h.
_MMAP_THRESHOLD = -3
_LARGE_BYTES = 256 * 1024


def give_back_large_blocks() -> bool:
    """Let blocks of `_LARGE_BYTES` and more go back to the system as soon as they are free; whether that is known here.

    Without this setting glibc raises the limit to the largest freed block, up to 32 MB: after the first answer of 4 MB,
    memory of later answers is never returned. A C library without this setting is left as it is.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_MMAP_THRESHOLD, _LARGE_BYTES))
