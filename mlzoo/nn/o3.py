"""What is needed of e3nn: irreps, spherical harmonics, Wigner 3j symbols.

e3nn marks one function as not to be compiled, and for that mark alone PyTorch imports its compiler: a second and 35 MB of every
start, which no answer needs. Here the mark waits until there is a compiler.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

COMPILER = "torch._dynamo"


@contextmanager
def _marks_that_wait() -> Iterator[None]:
    kept = torch.compiler.disable
    if COMPILER not in sys.modules:
        torch.compiler.disable = _when_there_is_a_compiler  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.compiler.disable = kept


def _when_there_is_a_compiler(function: Callable) -> Callable:
    @functools.wraps(function)
    def run(*arguments: Any, **named: Any) -> Any:
        marked = torch.compiler.disable(function) if COMPILER in sys.modules else function
        return marked(*arguments, **named)

    return run


with _marks_that_wait():
    from e3nn.o3 import Irreps, spherical_harmonics, wigner_3j

__all__ = ["Irreps", "spherical_harmonics", "wigner_3j"]
