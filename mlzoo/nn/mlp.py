"""Multilayer perceptrons."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional


class SoftPlus2(nn.Module):
    """ln(1 + e^x) − ln 2: zero at zero (Chen et al., Chem. Mater. 31, 3564 (2019), eq. 8)."""

    def forward(self, x: Float[Tensor, "*N"]) -> Float[Tensor, "*N"]:
        return functional.softplus(x) - math.log(2)


class MLP(nn.Sequential):
    """Linear maps with an activation between them, and after the last one where ``activate_last``."""

    def __init__(
        self,
        widths: Sequence[int],
        activate_last: bool = False,
        activation: Callable[[], nn.Module] = nn.SiLU,
        bias: bool = True,
    ):
        steps: list[nn.Module] = []
        for last, (width_in, width_out) in enumerate(pairwise(widths), start=2 - len(widths)):
            steps.append(nn.Linear(width_in, width_out, bias))
            if last < 0 or activate_last:
                steps.append(activation())
        super().__init__(*steps)


class GatedMLP(nn.Module):
    """Value times gate: two perceptrons of the same widths on the same input.

    Chen and Ong, Nat. Comput. Sci. 2, 718 (2022), eq. 4. The value ends in SiLU (or linearly), the gate in a sigmoid.
    Both run side by side as a batch of two, [value, gate].
    """

    def __init__(self, widths: Sequence[int], bias: bool = True, activate_last: bool = True):
        super().__init__()
        self.activate_last = activate_last
        pairs = list(pairwise(widths))
        self.weights = nn.ParameterList(_uniform((2, w_in, w_out), w_in) for w_in, w_out in pairs)
        self.biases = nn.ParameterList(_uniform((2, 1, w_out), w_in) for w_in, w_out in pairs) if bias else None

    def forward(self, x: Float[Tensor, "N I"]) -> Float[Tensor, "N O"]:
        return self.after_first(self._map(0, x.expand(2, -1, -1)))

    def after_first(self, hidden: Float[Tensor, "2 N H"]) -> Float[Tensor, "N O"]:
        """Everything behind the first linear map, for callers that compute that one in parts."""
        for layer in range(1, len(self.weights)):
            hidden = self._map(layer, functional.silu(hidden))
        value, gate = hidden
        return (functional.silu(value) if self.activate_last else value) * torch.sigmoid(gate)

    def _map(self, layer: int, x: Float[Tensor, "2 N I"]) -> Float[Tensor, "2 N O"]:
        if self.biases is None:
            return torch.bmm(x, self.weights[layer])
        return torch.baddbmm(self.biases[layer], x, self.weights[layer])


class EdgeGatedMLP(GatedMLP):
    """A gated perceptron on [v_centre, v_neighbour, e] of each edge.

    Its first linear map is a sum of three, and the two that act on atoms are done once for each atom and not for each
    edge: a third of the arithmetic, the same numbers.
    """

    def __init__(self, node_width: int, edge_width: int, widths: Sequence[int]):
        super().__init__([2 * node_width + edge_width, *widths])
        self.blocks = [node_width, node_width, edge_width]

    def forward(  # type: ignore[override]
        self,
        nodes: Float[Tensor, "A V"],
        edges: Float[Tensor, "E W"],
        centres: Int[Tensor, "E"],
        neighbours: Int[Tensor, "E"],
    ) -> Float[Tensor, "E O"]:
        assert self.biases is not None
        of_centre, of_neighbour, of_edge = self.weights[0].split(self.blocks, dim=1)
        both = nodes.expand(2, -1, -1)
        first = torch.baddbmm(self.biases[0], both, of_centre).index_select(1, centres)  # (2, E, H)
        first = first + torch.bmm(both, of_neighbour).index_select(1, neighbours)
        return self.after_first(torch.baddbmm(first, edges.expand(2, -1, -1), of_edge))


def _uniform(shape: tuple[int, ...], fan_in: int) -> nn.Parameter:
    bound = fan_in**-0.5  # as torch.nn.Linear
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
