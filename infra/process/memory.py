"""How this process gives memory back."""

import ctypes

# glibc's mallopt, parameter M_MMAP_THRESHOLD: see malloc.h.
_MMAP_THRESHOLD = -3
_LARGE_BYTES = 256 * 1024


def give_back_large_blocks() -> bool:
    """Let blocks of `_LARGE_BYTES` and more go back to the system as soon as they are free; whether that is known here.

    By itself glibc raises that limit to the largest block that was freed, up to 32 MB: after the first answer of 4 MB
    all others are cut from heaps that stay. A C library without this knob does without.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_MMAP_THRESHOLD, _LARGE_BYTES))
