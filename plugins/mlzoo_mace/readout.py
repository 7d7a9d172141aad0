"""From the features of a layer to its part of what is predicted of each atom."""

from __future__ import annotations

import itertools

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mlzoo_mace.config import IrrepName, Readout, TensorReadout
from mlzoo_mace.equivariant import Features
from mlzoo_mace.radial import activate


class ReadoutBlock(nn.Module):
    """From scalars to ``targets`` numbers for each head."""

    def __init__(self, by: Readout, channels: int, heads: int, targets: int):
        super().__init__()
        self.by = by
        hidden = [by.hidden] * by.layers if by.hidden else []
        widths = [channels, *hidden, targets]
        self.weights = nn.ParameterList(torch.randn(heads, a, b) / a**0.5 for a, b in itertools.pairwise(widths))
        # the first map has no bias
        self.biases = nn.ParameterList(torch.zeros(heads, width) for width in widths[2:]) if by.bias else None

    def forward(self, scalars: Float[Tensor, "A C"]) -> Float[Tensor, "A H T"]:
        x = scalars @ self.weights[0]  # (H, A, M)
        for layer in range(1, len(self.weights)):
            x = activate(x, self.by.activation) @ self.weights[layer]
            x = x if self.biases is None else x + self.biases[layer - 1][:, None]
        return x.transpose(0, 1)


class TensorReadoutBlock(nn.Module):
    """From features of one irrep to one vector, or tensor of another degree, for each atom."""

    def __init__(self, by: TensorReadout, irrep: IrrepName, channels: int):
        super().__init__()
        self.by, self.irrep = by, irrep
        widths = [channels, *([by.hidden] if by.hidden else []), 1]
        self.weights = nn.ParameterList(torch.randn(a, b) / a**0.5 for a, b in itertools.pairwise(widths))
        if by.hidden:
            self.gates = nn.Parameter(torch.randn(channels, by.hidden) / channels**0.5)

    def forward(self, features: Features) -> Float[Tensor, "A K"]:
        x = features[self.irrep] @ self.weights[0]  # (A, 2l+1, M)
        if self.by.hidden:
            scalars = features["0e"][:, 0] if "0e" in features else x.new_zeros(len(x), len(self.gates))
            x = (x * activate(scalars @ self.gates, self.by.gates)[:, None]) @ self.weights[1]
        return x[:, :, 0]
