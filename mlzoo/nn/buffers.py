"""Large buffers that stay allocated between calls: asking the system for them anew each time costs a tenth of the whole."""

from threading import Lock

import numpy as np
import numpy.typing as npt

POOLED = 2**30  # bytes

_pool: list[np.ndarray] = []
_alone = Lock()  # threads may evaluate side by side


def borrow(size: int, dtype: npt.DTypeLike = np.float32) -> np.ndarray:
    """A flat buffer of at least ``size`` numbers, from the pool where one fits and is not far too large."""
    with _alone:
        for place, buffer in enumerate(_pool):
            if size <= len(buffer) <= 2 * size and buffer.dtype == dtype:
                return _pool.pop(place)
    return np.empty(size, dtype=dtype)


def give_back(buffer: np.ndarray) -> None:
    """Whoever gives a buffer back must not touch it any more."""
    with _alone:
        _pool.append(buffer)
        while sum(kept.nbytes for kept in _pool) > POOLED:
            _pool.pop(0)
