"""What threads share comes out the same, whatever their number, and leaves PyTorch as it was."""

from collections.abc import Iterator
from multiprocessing import get_context
from threading import get_ident

import pytest
import torch

from mlzoo.nn import threads


@pytest.fixture(params=[1, 2, 3])
def count(request, monkeypatch) -> Iterator[int]:
    """As many threads, which are woken for anything."""
    monkeypatch.setattr(threads, "OPERATIONS", 1000)
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(1)


def square(numbers: list[int]) -> set[int]:
    """In place; by which threads."""
    by = set()

    def work(first: int, stop: int) -> None:
        by.add(get_ident())
        for place in range(first, stop):
            numbers[place] **= 2

    with threads.own_threads():
        threads.share(len(numbers), 10**6, work)
    return by


@pytest.mark.parametrize("parts", [0, 1, 2, 7])
def test_each_part_is_done_once(count, parts):
    numbers = list(range(parts))
    assert len(square(numbers)) <= max(1, min(count, parts))
    assert numbers == [each**2 for each in range(parts)]


def test_pytorch_has_one_thread_inside_and_its_own_afterwards(count):
    seen = []
    with threads.own_threads():
        threads.share(7, 10**6, lambda *_: seen.append(torch.get_num_threads()))
    assert seen == [1] * count
    assert torch.get_num_threads() == count


def test_an_error_in_any_part_is_raised_when_all_have_ended(count):
    done = []

    def work(first: int, stop: int) -> None:
        done.append(first)
        if stop == 7:
            raise ValueError("the last part")

    with pytest.raises(ValueError, match="the last part"), threads.own_threads():
        threads.share(7, 10**6, work)
    assert len(done) == count == torch.get_num_threads()


def test_few_operations_wake_nobody(count):
    with threads.own_threads():
        threads.share(7, 1999, lambda *range_: range_ == (0, 7) or pytest.fail(str(range_)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rows", [1, 13, 1001])
def test_bits_of_products_do_not_depend_on_the_count(count, dtype, rows):
    x, y = torch.randn(rows, 96, dtype=dtype), torch.randn(128, 96, dtype=dtype).T
    alone, shared = x.new_empty(rows, 128), x.new_empty(rows, 128)
    with threads.own_threads():
        threads.product(x, y, shared)
    torch.set_num_threads(1)
    threads.product(x, y, alone)
    assert torch.equal(shared, alone)
    torch.testing.assert_close(shared, x @ y)


def test_a_forked_child_has_threads_of_its_own(count):
    square([1, 2, 3])
    child = get_context("fork").Process(target=square, args=([1, 2, 3],))
    child.start()
    child.join(60)
    assert child.exitcode == 0
