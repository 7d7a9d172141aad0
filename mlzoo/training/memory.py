"""Freed memory stays with the process, so that a step of training finds what the step before has left.

By default glibc gives large blocks back to the system as soon as they are free, and the next step pays for every page of them
again, zeroed by the kernel: a seventh of a training step of M3GNet.
"""

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h
_LARGEST = 2**31 - 1  # bytes; an int


def keep_freed_memory() -> None:
    """For the whole process, until it ends. Where there is no glibc, nothing happens."""
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_MAX, 0)  # no mapping of its own for a large block
    mallopt(_M_TRIM_THRESHOLD, _LARGEST)
