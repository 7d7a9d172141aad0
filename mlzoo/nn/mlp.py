"""Multilayer perceptrons."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class MLP(nn.Sequential):
    """Linear maps with SiLU between them, and after the last one where ``activate_last``."""

    def __init__(self, widths: Sequence[int], activate_last: bool = False):
        steps: list[nn.Module] = []
        for last, (width_in, width_out) in enumerate(zip(widths[:-1], widths[1:], strict=True), start=2 - len(widths)):
            steps.append(nn.Linear(width_in, width_out))
            if last < 0 or activate_last:
                steps.append(nn.SiLU())
        super().__init__(*steps)


class GatedMLP(nn.Module):
    """Value times gate: two perceptrons of the same widths on the same input.

    Chen and Ong, Nat. Comput. Sci. 2, 718 (2022), eq. 4. The value ends in SiLU (or linearly), the gate in a sigmoid.
    Both run side by side as a batch of two, [value, gate].
    """

    def __init__(self, widths: Sequence[int], bias: bool = True, activate_last: bool = True):
        super().__init__()
        self.activate_last = activate_last
        pairs = list(zip(widths[:-1], widths[1:], strict=True))
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
        self, nodes: Float[Tensor, "A V"], edges: Float[Tensor, "E W"], ends: tuple[Tensor, Tensor]
    ) -> Float[Tensor, "E O"]:
        """``ends`` are the rows of the centres and the neighbours in [value; gate] stacked tables, from :meth:`ends`."""
        assert self.biases is not None
        to_centre, to_neighbour, to_edge = self.weights[0].split(self.blocks, dim=1)
        both = nodes.expand(2, -1, -1)
        centres = torch.baddbmm(self.biases[0], both, to_centre).flatten(0, 1).index_select(0, ends[0])  # (2E, H)
        neighbours = torch.bmm(both, to_neighbour).flatten(0, 1).index_select(0, ends[1])  # (2E, H)
        atoms = (centres + neighbours).unflatten(0, (2, -1))
        return self.after_first(torch.baddbmm(atoms, edges.expand(2, -1, -1), to_edge))

    @staticmethod
    def ends(centres: Tensor, neighbours: Tensor, n_atoms: int) -> tuple[Tensor, Tensor]:
        """Rows of both ends of every edge in a table of 2A rows, the values' and then the gates'."""
        return torch.cat([centres, centres + n_atoms]), torch.cat([neighbours, neighbours + n_atoms])


def _uniform(shape: tuple[int, ...], fan_in: int) -> nn.Parameter:
    bound = fan_in**-0.5  # as torch.nn.Linear
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
