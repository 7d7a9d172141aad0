"""First features of atoms: what element they are, and what is known of their structure besides its geometry."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mlzoo.errors import InvalidCondition
from mlzoo.graph import Graph
from mlzoo_mace.config import Embedded, EmbeddedNumber, Embedding
from mlzoo_mace.radial import activate


class NodeEmbedding(nn.Module):
    """A row for the element; and through an activation, another one plus what conditions of the structure add."""

    def __init__(self, by: Embedding, elements: int, channels: int):
        super().__init__()
        self.by = by
        self.element = nn.Parameter(torch.randn(elements, channels))
        if by.joint:
            self.joint = nn.Parameter(torch.randn(elements, channels))
            self.conditions = nn.ModuleList(
                Rows(each, channels) if isinstance(each, Embedded) else Perceptron(each, channels)
                for each in by.conditions
            )

    def forward(self, elements: Int[Tensor, "A"], graph: Graph) -> Float[Tensor, "A C"]:
        x = self.element[elements]
        if self.by.joint:
            y = self.joint[elements]
            for by, each in zip(self.by.conditions, self.conditions, strict=True):
                y = y + each(graph.conditions[by.condition])[graph.structure_index]
            x = x + activate(y, self.by.joint)
        return x


class Rows(nn.Module):
    """A row of a table for each value that a condition may take."""

    def __init__(self, by: Embedded, channels: int):
        super().__init__()
        self.by = by
        self.table = nn.Parameter(torch.randn(by.classes, channels))

    def forward(self, values: Float[Tensor, "S"]) -> Float[Tensor, "S C"]:
        return self.table[row_of(self.by, values)]


class Perceptron(nn.Module):
    """One hidden layer between a number and what it adds."""

    def __init__(self, by: EmbeddedNumber, channels: int):
        super().__init__()
        self.by = by
        self.inner, self.bias = nn.Parameter(torch.randn(by.hidden)), nn.Parameter(torch.zeros(by.hidden))
        self.outer = nn.Parameter(torch.randn(by.hidden, channels) / by.hidden**0.5)

    def forward(self, values: Float[Tensor, "S"]) -> Float[Tensor, "S C"]:
        x = values.to(self.inner.dtype)[:, None] * self.inner + self.bias
        return activate(x, self.by.activation) @ self.outer


def row_of(by: Embedded, values: Float[Tensor, "S"]) -> Int[Tensor, "S"]:
    """The row of a table that a condition stands for. Raises :class:`InvalidCondition` for one that has none."""
    whole = values.round().long()
    if by.values is None:
        rows, known = whole + by.offset, f"{-by.offset} to {by.classes - 1 - by.offset}"
        found = (rows >= 0) & (rows < by.classes)
    else:
        places = whole[:, None] == torch.tensor(by.values, device=values.device)
        rows, known = 1 + places.long().argmax(dim=1), ", ".join(map(str, by.values))
        found = places.any(dim=1)
    if not bool((found & (whole == values)).all()):
        wrong = values[~(found & (whole == values))][0].item()
        raise InvalidCondition(f"{by.condition}={wrong:g} is not known to this model. It knows {known}.")
    return rows
