"""An edge perceptron of a frozen block, for one chunk of edges at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from mlzoo.nn.mlp import EdgeGatedMLP
from mlzoo_m3gnet.kernels import edge_loops as loops


@dataclass(frozen=True)
class FrozenPerceptron:
    """Its parameters and those of the weights on its output; [value, gate] first throughout.

    The parts of the first layer that act on atoms are done outside, once for each atom.
    """

    to_edge: Tensor  # (2, W, H)
    biases: tuple[Tensor, ...]  # (2, H) each, the last (2, O); zeros for the first layer
    weights: tuple[Tensor, ...]  # (2, H, H) each, the last (2, H, O)
    basis: Tensor  # (K, O)
    activate_weights: bool  # whether the weights on the output go through SiLU

    @classmethod
    def of(cls, mlp: EdgeGatedMLP, basis_weights: nn.Linear, activate_weights: bool = False) -> FrozenPerceptron:
        biases = [bias.detach()[:, 0] for bias in mlp.biases or ()]
        return cls(
            to_edge=mlp.weights[0].detach()[:, -mlp.blocks[2] :].contiguous(),
            biases=(torch.zeros_like(biases[0]), *biases[1:]),
            weights=tuple(weight.detach() for weight in list(mlp.weights)[1:]),
            basis=basis_weights.weight.detach().mT.contiguous(),
            activate_weights=activate_weights,
        )

    @property
    def kept(self) -> list[tuple[int, int]]:
        """What the gradient needs of each edge: the slopes of each hidden layer, three derivatives of the output."""
        return [(2, weight.shape[1]) for weight in self.weights] + [(1, self.basis.shape[1])] * 3

    def forward(self, x: Tensor, edges: Tensor, basis: Tensor, kept: Sequence[np.ndarray]) -> Tensor:
        """(n, O) of one chunk; ``x`` (2, n, H) comes in as what both ends contribute and is used up."""
        x.baddbmm_(edges.expand(2, -1, -1), self.to_edge)
        for bias, weight, slopes in zip(self.biases, self.weights, kept, strict=False):
            loops.silu(x.numpy(), bias.numpy(), slopes)
            x = torch.bmm(x, weight)
        weights, derivatives = basis @ self.basis, [each[0] for each in kept[-3:]]
        out = torch.empty_like(weights)
        if self.activate_weights:
            share = weights.sigmoid()
            weights = weights * share
        loops.gate(x.numpy(), self.biases[-1].numpy(), weights.numpy(), *derivatives, out.numpy())
        if self.activate_weights:  # the derivative by the weights becomes that by what SiLU was applied to
            derivatives[2] *= (share + weights * (1 - share)).numpy()
        return out

    def backward(self, grad: Tensor, kept: Sequence[np.ndarray], grad_basis: Tensor) -> Tensor:
        """Gradient (2, n, H) by the first layer's output; that by the basis is added to ``grad_basis``."""
        x = grad.new_empty(2, *grad.shape)
        derivatives = [each[0] for each in kept[-3:]]
        loops.ungate(grad.numpy(), self.basis.numpy(), *derivatives, x.numpy(), grad_basis.numpy())
        for weight, slopes in zip(reversed(self.weights), reversed(kept[:-3]), strict=True):
            x = torch.bmm(x, weight.mT)
            loops.scale(x.numpy(), slopes)
        return x

    def to_edges(self, x: Tensor, out: Tensor) -> None:
        """Gradient by the edges' own part of the first layer, added to ``out`` (n, W)."""
        out.addmm_(x[0], self.to_edge[0].mT).addmm_(x[1], self.to_edge[1].mT)
