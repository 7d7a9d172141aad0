"""One layer of MACE: messages between neighbours, products at each atom, a residual."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mlzoo.nn.sorted_segments import sum_per_sorted_segment
from mlzoo_mace.config import Contraction, IrrepName, Layer, MaceConfig
from mlzoo_mace.contraction import GauntProduct, SymmetricContraction
from mlzoo_mace.convolution import Convolution, Directions, Geometry
from mlzoo_mace.equivariant import ChannelMix, Features, gated
from mlzoo_mace.radial import RadialPerceptron


class MaceLayer(nn.Module):
    """Features of atoms in, features of atoms out."""

    def __init__(self, by: Layer, config: MaceConfig):
        super().__init__()
        self.by = by
        elements, radial = len(config.elements), config.radial.count
        self.up = ChannelMix(dict.fromkeys(by.up, (by.input_channels, by.up_channels)))
        self.convolution = Convolution(
            by.up, config.max_l, by.messages, rounded=config.rounded_symbols, inversion=config.inversion
        )
        paths = len(self.convolution.paths)
        self.radial = RadialPerceptron(by.radial_mlp, radial, paths * by.up_channels, elements, by.input_channels)
        if by.pair_factors:
            self.pair_factors = nn.Parameter(torch.ones(elements, elements, paths, by.up_channels))
        if by.density:
            self.density = RadialPerceptron(by.density, radial, 1, elements, by.input_channels)
            self.density_constant, self.density_slope = nn.Parameter(torch.ones(())), nn.Parameter(torch.ones(()))
        widths = dict.fromkeys(by.messages, by.channels)
        if by.gate:
            widths["0e"] *= len(by.messages)  # a gate for each irrep that is no scalar
            self.from_self = ChannelMix({irrep: (by.up_channels, widths[irrep]) for irrep in by.up if irrep in widths})
            self.after_gate = ChannelMix(dict.fromkeys(by.messages, (by.channels, by.channels)))
        collected = {irrep: sum(path.received == irrep for path in self.convolution.paths) for irrep in by.messages}
        self.down = ChannelMix({irrep: (count * by.up_channels, widths[irrep]) for irrep, count in collected.items()})
        if by.mix_elements:
            self.mix = ChannelMix(dict.fromkeys(by.messages, (by.channels, by.channels)), elements)
        if isinstance(by.contraction, Contraction):
            self.contraction: nn.Module = SymmetricContraction(by.contraction, by.messages, by.channels, elements)
        else:
            self.contraction = GauntProduct(by.contraction, by.messages, by.outputs, by.channels, elements)
        if by.node_gates:
            self.node_gates = nn.Parameter(torch.randn(elements, by.channels, len(by.outputs) * by.channels))
            self.node_gate_biases = nn.Parameter(torch.zeros(elements, len(by.outputs) * by.channels))
        self.linear = ChannelMix(dict.fromkeys(by.outputs, (by.channels, by.channels)))
        if by.residual != "none":
            kept = {irrep: (by.input_channels, by.channels) for irrep in by.outputs if irrep in by.inputs}
            self.residual = ChannelMix(kept, elements if by.residual == "elements" else None)

    def forward(self, nodes: Features, elements: Int[Tensor, "A"], edges: Directions) -> Features:
        return self.outcome(self.products(self.up(nodes), nodes, elements, edges), nodes, elements)

    def products(self, sent: Features, nodes: Features, elements: Int[Tensor, "A"], edges: Directions) -> Features:
        """Of what each atom receives, (A, 2l+1, C)."""
        if self.by.reads_features:
            assert isinstance(edges, Geometry)
            edges = replace(edges, scalars=nodes["0e"][:, 0])
        products = self.contraction(self.messages(sent, elements, edges), elements)
        return self._gate_nodes(products, elements) if self.by.node_gates else products

    def outcome(self, products: Features, nodes: Features, elements: Int[Tensor, "A"]) -> Features:
        """A linear map of the products, and what is kept of the features before."""
        features = self.linear(products)
        if self.by.soft_norm is not None:
            features = {irrep: _softened(x, self.by.soft_norm) for irrep, x in features.items()}
        if self.by.residual == "none":
            return features
        kept = self.residual(nodes, elements)
        return {irrep: x + kept[irrep] if irrep in kept else x for irrep, x in features.items()}

    def messages(self, sent: Features, elements: Int[Tensor, "A"], edges: Directions) -> Features:
        """What each atom collects from its neighbours (MACE eq. 8 and the linear map behind it), (A, 2l+1, C)."""
        messages = self.down(self.collect(sent, edges))
        if self.by.density:
            count = self.count(edges, len(elements))  # (A,)
            messages = {irrep: x / count[:, None, None] for irrep, x in messages.items()}
        if self.by.gate:
            own = self.from_self(sent)
            messages = {irrep: x + own[irrep] if irrep in own else x for irrep, x in messages.items()}
            messages = self.after_gate(gated(messages, self.by.gate, self.by.channels))
        return self.mix(messages, elements) if self.by.mix_elements else messages

    def collect(self, sent: Features, edges: Directions) -> Features:
        """Of all neighbours, for each irrep its paths side by side, (A, 2l+1, paths · C')."""
        assert isinstance(edges, Geometry)
        factors = self.pair_factors if self.by.pair_factors else None
        weights = path_weights(self.radial, factors, edges).unflatten(1, (-1, self.by.up_channels))  # (U, P, C')
        return self.convolution(sent, weights, edges)

    def count(self, edges: Directions, atoms: int) -> Float[Tensor, "A"]:
        """Of neighbours, as it is learned."""
        assert isinstance(edges, Geometry)
        each = neighbour_share(self.density, edges)
        return self.density_constant + self.density_slope * sum_per_sorted_segment(each, edges.receivers, atoms)

    def _gate_nodes(self, products: Features, elements: Int[Tensor, "A"]) -> Features:
        """Factors on every channel and irrep from the scalars, by a map of the atom's element."""
        scalars = products["0e"][:, 0]  # (A, C)
        gates = torch.einsum("ac,acg->ag", scalars, self.node_gates[elements]) + self.node_gate_biases[elements]
        each: dict[IrrepName, Tensor] = dict(zip(self.by.outputs, gates.split(self.by.channels, dim=1), strict=True))
        return {irrep: x * each[irrep][:, None] for irrep, x in products.items()}


def path_weights(
    radial: RadialPerceptron, factors: Float[Tensor, "Z Z P C"] | None, edges: Geometry
) -> Float[Tensor, "U PC"]:
    """Of each path and channel, the radial functions of a convolution."""
    weights = radial(edges.basis, *edges.ends(radial.by), edges.scalars)
    if factors is not None:
        weights = weights * factors[edges.sender_elements, edges.receiver_elements].flatten(1)
    return weights if edges.envelope is None else weights * edges.envelope[:, None]


def neighbour_share(density: RadialPerceptron, edges: Geometry) -> Float[Tensor, "U"]:
    """What an edge adds to its receiver's count of neighbours."""
    each = torch.tanh(density(edges.basis, *edges.ends(density.by), edges.scalars)[:, 0] ** 2)
    return each if edges.envelope is None else each * edges.envelope


def _softened(x: Float[Tensor, "A K C"], scale: float) -> Float[Tensor, "A K C"]:
    """x / (1 + n s(n)), n = |x| / sqrt(2l+1) / scale, s(n) = exp(−1/n): large features grow no further."""
    square = (x**2).sum(dim=1, keepdim=True)
    zero = square == 0
    n = torch.where(zero, 1.0, torch.where(zero, 1.0, square).sqrt() / x.shape[1] ** 0.5) / scale
    return x / (1 + n * torch.exp(-1 / n))
