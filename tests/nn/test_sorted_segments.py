"""Sums without atomics, tried on a CPU: those of ``index_add``, and their derivatives."""

import torch

from mlzoo.nn.segments import sum_per_segment
from mlzoo.nn.sorted_segments import Sums

INDEX = torch.tensor([1, 1, 1, 3, 4, 4])  # segments 0, 2 and 5 have no rows


def test_sums_of_rows():
    values = torch.randn(6, 3, 2, dtype=torch.float64)
    torch.testing.assert_close(Sums.apply(values, INDEX, 6), sum_per_segment(values, INDEX, 6))


def test_first_and_second_derivatives():
    values = torch.randn(6, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: Sums.apply(v, INDEX, 6) ** 2, values)
    assert torch.autograd.gradgradcheck(lambda v: Sums.apply(v, INDEX, 6) ** 2, values)


def test_no_rows_give_zeros():
    empty = torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)
    assert Sums.apply(*empty, 2).tolist() == [[0, 0, 0]] * 2
