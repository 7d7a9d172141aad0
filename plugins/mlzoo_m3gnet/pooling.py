"""Atoms as one row a structure, in the ways of M3GNet's readouts. None depends on how often a cell is repeated."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from mlzoo.nn.mlp import MLP
from mlzoo.nn.segments import mean_per_segment, softmax_per_segment, sum_per_segment
from mlzoo.nn.set2set import Set2Set
from mlzoo_m3gnet.config import M3GNetConfig, Set2SetReadout, WeightedMeanReadout


class Mean(nn.Module):
    """The mean of the members of each set."""

    def forward(self, x: Float[Tensor, "N W"], index: Int[Tensor, "N"], sets: int) -> Float[Tensor, "S W"]:
        return mean_per_segment(x, index, sets)


class WeightedMean(nn.Module):
    """Σ_i w_i f(x_i) / Σ_i w_i over the members of each set, with w_i = σ(h(x_i)); f and h are perceptrons.

    The readout of Chen et al.'s MEGNet and M3GNet codes for intensive properties, "weighted_atom".
    """

    def __init__(self, width: int, hidden_width: int):
        super().__init__()
        self.values = MLP([width, hidden_width, hidden_width], activate_last=True)
        self.weights = MLP([width, hidden_width, 1])

    def forward(self, x: Float[Tensor, "N W"], index: Int[Tensor, "N"], sets: int) -> Float[Tensor, "S H"]:
        # normalised as logarithms: sigmoids may all round to zero, and still one of them is the largest
        weights = softmax_per_segment(functional.logsigmoid(self.weights(x)).squeeze(1), index, sets)  # (N,)
        return sum_per_segment(weights[:, None] * self.values(x), index, sets)


def pooling(config: M3GNetConfig) -> tuple[nn.Module, int]:
    """What pools the atoms, and the width of what it gives."""
    match config.readout:
        case Set2SetReadout(steps=steps, layers=layers):
            return Set2Set(config.node_width, steps, layers), 2 * config.node_width
        case WeightedMeanReadout():
            return WeightedMean(config.node_width, config.hidden_width), config.hidden_width
        case _:
            return Mean(), config.node_width
