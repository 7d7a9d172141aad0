"""Work that threads share in parts, so that no bit of what comes out depends on how many threads there are.

A model with ``shares_work`` is evaluated with PyTorch on one thread and has as many of its own as PyTorch had. Each part is
done from its beginning to its end by one of them, by the same machine code as if there were no other. Loops that release the
GIL need no more than Python's threads for this; OpenMP's would not outlive a fork.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from threading import local

import torch
from jaxtyping import Float
from torch import Tensor

OPERATIONS = 2**21  # of a loop, that another thread is woken for; products do four in the time of one


class _Threads(local):
    count = 1


_threads = _Threads()


@contextmanager
def own_threads() -> Iterator[None]:
    """Inside, PyTorch has one thread here, and :func:`share` as many as it had; as it was afterwards.

    A thread of the caller's own that first asks PyTorch for something meanwhile starts with one, too.
    """
    count = torch.get_num_threads()
    if count == 1:
        yield
        return
    torch.set_num_threads(1)
    _threads.count = count
    try:
        yield
    finally:
        _threads.count = 1
        torch.set_num_threads(count)


def share(parts: int, operations: int, work: Callable[[int, int], object]) -> None:
    """Calls ``work(first, stop)`` for ranges that make up all parts, side by side; derivatives are not recorded.

    ``operations`` is about how many multiplications all of it takes: few are not worth waking a thread.
    """
    count = min(_threads.count, parts, operations // OPERATIONS)
    if count < 2:
        work(0, parts)
        return
    bounds = [parts * each // count for each in range(count + 1)]
    others = [_pool().submit(_apart, work, *each) for each in pairwise(bounds[1:])]
    try:
        work(*bounds[:2])
    finally:
        wait(others)  # they write to memory that is the caller's
    for each in others:
        each.result()


def product(x: Float[Tensor, "N I"], y: Float[Tensor, "I O"], out: Float[Tensor, "N O"]) -> None:
    """Sets ``out`` to x @ y, rows of a large one in parts."""
    operations = x.shape[0] * y.numel() // 4
    parts = operations // OPERATIONS
    if parts < 2:
        torch.mm(x, y, out=out)
        return
    size = -(-len(x) // parts)
    rows = list(zip(x.split(size), out.split(size), strict=True))
    share(len(rows), operations, lambda first, stop: [torch.mm(some, y, out=into) for some, into in rows[first:stop]])


def _apart(work: Callable[[int, int], object], first: int, stop: int) -> None:
    torch.set_num_threads(1)  # a new thread starts with as many as there are cores
    with torch.no_grad():
        work(first, stop)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=os.cpu_count(), thread_name_prefix="mlzoo")


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_pool.cache_clear)  # threads stay with the parent
