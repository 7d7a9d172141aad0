"""A layer whose weights stay as they are: its radial functions from tables, its maps merged where nothing stands between."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from mlzoo.nn.segments import sum_per_segment
from mlzoo_mace.config import IrrepName
from mlzoo_mace.convolution import Directions
from mlzoo_mace.equivariant import ChannelMix, Features
from mlzoo_mace.kernels.answering.convolution import SplineConvolution, Walk
from mlzoo_mace.kernels.answering.mixing import FrozenMix
from mlzoo_mace.kernels.answering.polynomials import Polynomials
from mlzoo_mace.kernels.answering.splines import Pair
from mlzoo_mace.kernels.answering.tables import PathTables, ShareTables
from mlzoo_mace.kernels.learning.convolution import CompiledConvolution
from mlzoo_mace.layer import MaceLayer
from mlzoo_mace.radial import RadialBasis

Weights = dict[IrrepName, Tensor]
"""Of a linear map for each irrep, (I, O), or (Z, I, O) where elements have maps of their own."""


class Maps(NamedTuple):
    """All linear maps of a layer, in the order in which atoms' features go through them; empty where there is none."""

    down: Weights  # of what is collected
    mix: Weights
    linear: Weights  # of products
    residual: Weights  # of the features before
    directly: Weights  # from products to what is sent to the next layer
    next_up: Weights  # or from features


class FrozenLayer(MaceLayer):
    """A layer that reads its radial functions in tables, where the edges come with them."""

    tables: PathTables
    shares: ShareTables

    def __init__(self, compiled: MaceLayer):
        nn.Module.__init__(self)
        self.__dict__.update(compiled.__dict__)
        assert isinstance(compiled.convolution, CompiledConvolution)
        self.splined = SplineConvolution(compiled.convolution, compiled.radial.weights[-1].dtype)
        if self.by.mix_elements:
            # a map that comes right before, and is no smaller for having more paths, is part of this one
            direct = not self.by.density and not self.by.gate and len(self.convolution.paths) == len(self.by.messages)
            self.add_module("mix", FrozenMix(compiled.mix, compiled.down if direct else None))
            if direct:
                self.add_module("down", nn.Identity())
        if self.by.residual == "elements":
            self.add_module("residual", FrozenMix(compiled.residual))
        self.directly: ChannelMix | None = None
        self.next_up: ChannelMix | None = None

    def hand_on_to(self, following: MaceLayer) -> None:
        """Two linear maps with nothing between them are one; features are then worked out as far as others read them."""
        self.next_up = following.up
        if self.by.residual != "none" or self.by.soft_norm is not None:
            return
        maps = self.linear.weights
        self.directly = _mix({irrep: maps[irrep] @ up for irrep, up in following.up.weights.items()})
        read = {*self.read, *(following.by.outputs if following.by.residual != "none" else ())}
        self.linear = _mix({irrep: maps[irrep] for irrep in maps if irrep in read})

    def onward(self, products: Features, nodes: Features) -> Features:
        """What the next layer's atoms send."""
        if self.directly is not None:
            return self.directly(products)
        return self.next_up(nodes) if self.next_up is not None else {}

    def make_tables(self, basis: RadialBasis, tried: list[Pair]) -> bool:
        """Without rows; whether splines within bounds are precise."""
        self.tables = PathTables(self, basis, tried)
        if self.by.density:
            self.shares = ShareTables(self.density, basis, tried)
        return bool(self.tables.splines.knots) and (not self.by.density or bool(self.shares.splines.knots))

    @cached_property
    def swept(self) -> bool:
        """Whether it is nothing but maps, a count, products and a residual, which `sweep` knows the way back through."""
        others = self.by.gate, self.by.soft_norm, self.by.node_gates, self.by.reads_features
        return not any(others) and isinstance(self.contraction, Polynomials)

    @property
    def read(self) -> tuple[IrrepName, ...]:
        """What is read of the features behind it."""
        return tuple(irrep for irrep in self.by.outputs if irrep == "0e" or irrep in self.by.tensor_readouts)

    @cached_property
    def maps(self) -> Maps:
        mixes = self.by.mix_elements and isinstance(self.down, ChannelMix)
        down = self.down if isinstance(self.down, ChannelMix) else self.mix
        every = (
            down, self.mix if mixes else None, self.linear, self.residual if self.by.residual != "none" else None,
            self.directly, None if self.directly else self.next_up,
        )  # fmt: skip
        return Maps(*({} if each is None else {k: w.detach() for k, w in each.weights.items()} for each in every))

    def collect(self, sent: Features, edges: Directions) -> Features:
        if not isinstance(edges, Walk):
            return super().collect(sent, edges)
        return self.splined(sent, edges, self.tables.array, self.tables.splines.places(edges.lengths))

    def count(self, edges: Directions, atoms: int) -> Float[Tensor, "A"]:
        if not isinstance(edges, Walk):
            return super().count(edges, atoms)
        each = self.shares(edges.lengths, edges.kinds)
        return self.density_constant + self.density_slope * sum_per_segment(each, edges.receivers, atoms)


def _mix(weights: dict[IrrepName, Tensor]) -> ChannelMix:
    mix = ChannelMix({irrep: (len(weight), weight.shape[1]) for irrep, weight in weights.items()})
    for irrep, weight in weights.items():
        mix.weights[irrep] = nn.Parameter(weight.detach(), requires_grad=False)
    return mix
