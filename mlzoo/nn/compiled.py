"""How loops are compiled: by Numba at their first call, and kept for later processes.

In a loop, rows are read number by number: ``k, l = table[n]`` makes an array of the row, at fifty nanoseconds each.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numba

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

REORDERED = {"fastmath": {"contract", "nsz", "arcp", "reassoc"}}


def compiled(loop: Callable) -> Callable:
    """Compile a loop; reordering of sums is allowed, rounding of single operations is IEEE's."""
    return _compile(loop, REORDERED)


def compiled_to_the_bit(loop: Callable) -> Callable:
    """Compile a loop whose sums keep their order, so that it gives NumPy's bits."""
    return _compile(loop, {})


def arrays(*tensors: Tensor) -> list[np.ndarray]:
    """As loops take them: the same memory, or a copy of a tensor whose numbers do not lie side by side."""
    return [tensor.detach().contiguous().numpy() for tensor in tensors]


def _compile(loop: Callable, options: dict[str, Any]) -> Callable:
    """Compiled code is cached beside the file or in the user's cache folder, not at all where neither can be written.

    A loop that another one calls becomes part of it. Else there are two machine codes of it, its own and the caller's copy,
    which may round differently; the linker takes what it sees first, and that depends on what came from the cache.
    """
    loop = inspect.unwrap(loop)  # of the checks that tests put around every function
    options = {"error_model": "numpy", "forceinline": True, "nogil": True, **options}
    try:
        return numba.njit(cache=True, **options)(loop)
    except RuntimeError:  # Numba found no place for its cache
        return numba.njit(**options)(loop)
