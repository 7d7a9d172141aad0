"""Sums, means and softmax over segments."""

import importlib.util

import pytest
import torch

from mlzoo.nn.segments import backend, mean_per_segment, softmax_per_segment, sum_per_segment

INDEX = torch.tensor([2, 0, 2, 2, 0])  # segments 1 and 3 have no rows
VALUES = torch.arange(10.0, dtype=torch.float64).reshape(5, 2)


def test_rows_of_a_segment_are_summed_and_one_without_rows_is_zero():
    assert sum_per_segment(VALUES, INDEX, 4).tolist() == [[10, 12], [0, 0], [10, 13], [0, 0]]


def test_a_mean_is_the_sum_over_the_count_and_never_nan():
    expected = torch.tensor([[5, 6], [0, 0], [10 / 3, 13 / 3], [0, 0]], dtype=torch.float64)
    torch.testing.assert_close(mean_per_segment(VALUES, INDEX, 4), expected)


def test_softmax_is_that_of_each_segment_and_does_not_overflow():
    scores = torch.tensor([1e4, 0, 1e4 + 1, 0, 2], dtype=torch.float64)
    found = softmax_per_segment(scores, INDEX, 4)
    torch.testing.assert_close(found[INDEX == 2], scores[INDEX == 2].softmax(0))
    torch.testing.assert_close(found[INDEX == 0], scores[INDEX == 0].softmax(0))


def test_derivatives_are_those_of_finite_differences():
    values = VALUES.clone().requires_grad_()
    assert torch.autograd.gradgradcheck(lambda v: sum_per_segment(v, INDEX, 4) ** 2, values)
    assert torch.autograd.gradcheck(lambda v: softmax_per_segment(v, INDEX, 4), values[:, 0])


@pytest.mark.parametrize("function", [sum_per_segment, mean_per_segment])
def test_no_rows_give_zeros(function):
    assert function(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64), 2).tolist() == [[0, 0, 0]] * 2


@pytest.mark.skipif(not importlib.util.find_spec("torch_scatter"), reason="torch-scatter is not installed")
@pytest.mark.parametrize("function", [sum_per_segment, mean_per_segment])
def test_torch_scatter_gives_the_same(function, monkeypatch):
    native = function(VALUES, INDEX, 4)
    monkeypatch.setenv("MLZOO_SEGMENTS", "torch-scatter")
    torch.testing.assert_close(function(VALUES, INDEX, 4), native)


def test_an_unknown_back_end_is_refused(monkeypatch):
    monkeypatch.setenv("MLZOO_SEGMENTS", "scatter")
    with pytest.raises(
        ValueError, match=r"MLZOO_SEGMENTS='scatter' is not known. Set it to one of native, torch-scatter"
    ):
        backend()
