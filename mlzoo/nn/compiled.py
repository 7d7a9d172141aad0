"""How the loops are compiled."""

from collections.abc import Callable

import numba


def compiled(loop: Callable) -> Callable:
    """Compile a loop at its first call; reordering of sums is allowed, rounding of single operations is IEEE's.

    Compiled code is cached beside the file or in the user's cache folder, and not at all where neither can be written.
    """
    options = {"fastmath": {"contract", "nsz", "arcp", "reassoc"}, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(loop)
    except RuntimeError:  # Numba found no place for its cache
        return numba.njit(**options)(loop)
