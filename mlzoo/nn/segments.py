"""Sums and means over segments: messages at atoms, atoms in structures.

PyTorch's own ``index_add`` is the default. With ``pip install mlzoo[scatter]`` and ``MLZOO_SEGMENTS=torch-scatter`` in
the environment, torch-scatter does the sums instead; which one ran stands in a model's provenance.
"""

import os

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

BACKENDS = ("native", "torch-scatter")


def backend() -> str:
    """Which library sums: ``native`` or ``torch-scatter``."""
    name = os.environ.get("MLZOO_SEGMENTS", "native")
    if name not in BACKENDS:
        raise ValueError(f"MLZOO_SEGMENTS={name!r} is not known. Set it to one of {', '.join(BACKENDS)}, or unset it.")
    return name


def sum_per_segment(values: Shaped[Tensor, "N *C"], index: Int[Tensor, "N"], segments: int) -> Shaped[Tensor, "S *C"]:
    """Sum of the rows of ``values`` that share an ``index``; a segment without rows is zero.

    >>> sum_per_segment(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0, 0, 2]), 3)
    tensor([3., 0., 3.])
    """
    if backend() == "torch-scatter":
        from torch_scatter import scatter_sum

        return scatter_sum(values, index, dim=0, dim_size=segments)
    return values.new_zeros(segments, *values.shape[1:]).index_add(0, index, values)


def mean_per_segment(values: Float[Tensor, "N *C"], index: Int[Tensor, "N"], segments: int) -> Float[Tensor, "S *C"]:
    """Mean of the rows that share an ``index``; a segment without rows is zero, never NaN.

    >>> mean_per_segment(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0, 0, 2]), 3)
    tensor([1.5000, 0.0000, 3.0000])
    """
    count = sum_per_segment(torch.ones_like(index), index, segments).clamp(min=1)
    return sum_per_segment(values, index, segments) / count.view(-1, *(1,) * (values.dim() - 1))


def softmax_per_segment(scores: Float[Tensor, "N"], index: Int[Tensor, "N"], segments: int) -> Float[Tensor, "N"]:
    """Softmax within each segment, shifted by its largest score so that it cannot overflow.

    >>> softmax_per_segment(torch.tensor([0.0, 0.0, 5.0]), torch.tensor([0, 0, 1]), 2)
    tensor([0.5000, 0.5000, 1.0000])
    """
    largest = scores.new_zeros(segments).scatter_reduce(0, index, scores.detach(), "amax", include_self=False)
    weights = torch.exp(scores - largest[index])
    return weights / sum_per_segment(weights, index, segments)[index]
