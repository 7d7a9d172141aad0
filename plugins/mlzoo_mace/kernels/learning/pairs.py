"""Which two edges are the same pair of atoms, seen from either end."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from mlzoo.graph import Edges


def pairs(edges: Edges, atoms: int) -> tuple[Int[Tensor, "U"], Int[Tensor, "E"]]:
    """An edge of each pair, and the pair of each edge.

    >>> edges = Edges(senders=torch.tensor([1, 0]), receivers=torch.tensor([0, 1]), shifts=torch.zeros(2, 3).long(),
    ...               vectors=torch.eye(3)[:2])
    >>> pairs(edges, 2)
    (tensor([0]), tensor([0, 0]))
    """
    senders, receivers, shifts = (
        each.numpy().astype(np.int64) for each in (edges.senders, edges.receivers, edges.shifts)
    )
    span = 2 * int(np.abs(shifts).max(initial=0)) + 1
    image = (shifts[:, 0] * span + shifts[:, 1]) * span + shifts[:, 2]  # odd in the shift
    ahead = (senders < receivers) | ((senders == receivers) & (image > 0))
    image = np.where(ahead, image, -image)
    low, high = np.minimum(senders, receivers), np.maximum(senders, receivers)
    _, first, row = np.unique((low * atoms + high) * span**3 + image, return_index=True, return_inverse=True)
    return torch.from_numpy(first), torch.from_numpy(row)
