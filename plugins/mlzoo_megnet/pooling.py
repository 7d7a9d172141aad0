"""Set2Set over atoms or bonds, with an LSTM or with what the first MEGNets had in its place."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mlzoo.nn.set2set import Set2Set
from mlzoo_megnet.config import MEGNetConfig


class ForgetfulLSTM(nn.Module):
    """An LSTM of width W whose cell is empty at every step, so that it has no forget gate; gates [input, new, output].

    It reads Q = 2W numbers of each structure.
    """

    def __init__(self, width: int, hard: bool):
        super().__init__()
        self.hard = hard
        self.gates = nn.Linear(2 * width, 3 * width)

    def forward(self, x: Float[Tensor, "1 S Q"], state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        entering, new, leaving = self.gates(x).chunk(3, dim=-1)
        return self._gate(leaving) * torch.tanh(self._gate(entering) * torch.tanh(new)), state

    def _gate(self, x: Tensor) -> Tensor:
        return (0.2 * x + 0.5).clamp(0, 1) if self.hard else torch.sigmoid(x)


class Pool(nn.Module):
    """The rows of each structure, projected, as one row."""

    def __init__(self, config: MEGNetConfig):
        super().__init__()
        said, width = config.set2set, config.update[-1]
        self.projection = None if said.width is None else nn.Linear(width, said.width)
        width = said.width or width
        lstm = None if said.memory else ForgetfulLSTM(width, said.gates == "hard_sigmoid")
        self.set2set = Set2Set(width, said.steps, said.layers, lstm)
        self.size = 2 * width

    def forward(self, x: Float[Tensor, "N W"], index: Int[Tensor, "N"], structures: int) -> Float[Tensor, "S Q"]:
        return self.set2set(x if self.projection is None else self.projection(x), index, structures)
