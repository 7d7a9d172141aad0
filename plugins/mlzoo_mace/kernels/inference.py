"""The form in which a MACE answers on a CPU: weights stay as they are, and nothing of an edge is written to memory."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mlzoo.graph import Edges, Graph
from mlzoo.nn.segments import sum_per_segment
from mlzoo_mace.config import IrrepName
from mlzoo_mace.convolution import Directions
from mlzoo_mace.equivariant import ChannelMix, Features
from mlzoo_mace.kernels.contraction import CompiledContraction
from mlzoo_mace.kernels.convolution import CompiledConvolution
from mlzoo_mace.kernels.harmonics import lengths_and_harmonics
from mlzoo_mace.kernels.learning import CompiledMace, tells_elements
from mlzoo_mace.kernels.mixing import FrozenMix
from mlzoo_mace.kernels.polynomials import Polynomials
from mlzoo_mace.kernels.spline_convolution import SplineConvolution, Walk
from mlzoo_mace.kernels.splines import SHORTEST, Pair
from mlzoo_mace.kernels.tables import PathTables, ShareTables
from mlzoo_mace.layer import MaceLayer
from mlzoo_mace.model import Mace
from mlzoo_mace.radial import RadialBasis


class FrozenMace(CompiledMace):
    """Parameters of the plain form, which is its judge, as they are when it is made.

    Radial functions come from splines if ``splined``, which are precise to what float32 can tell. Where they do not (edges
    below the first knot, more pairs of elements than tables may be kept for), the perceptrons of the plain form give them,
    with everything else compiled.
    """

    derivatives = 1

    def __init__(self, plain: Mace, splined: bool):
        super().__init__(plain)
        elements = len(plain.config.elements)
        for index, layer in enumerate(self.layers):
            assert isinstance(layer, MaceLayer)
            if isinstance(layer.contraction, CompiledContraction):
                layer.contraction = Polynomials(layer.contraction, elements)
            self.layers[index] = FrozenLayer(layer)
        for layer, following in pairwise(self._frozen()):
            layer.hand_on_to(following)
        self.by_elements = tells_elements(plain)
        self.rows = np.full((elements, elements), -1)  # of the tables, for each pair of elements
        features = [str(n) for n, layer in enumerate(self._frozen(), 1) if layer.by.reads_features]
        self.splined = splined and not features and self._make_tables(plain)
        self.kernels = "numba" + (", radial splines" if self.splined else "") + self._uncovered()
        if features:  # of atoms; of those no table can be made
            self.kernels += f", radial functions of features in layer {' and '.join(features)}"

    def _uncovered(self) -> str:
        """Names of layers whose products are those of the plain form."""
        left = [str(n) for n, layer in enumerate(self.layers, 1) if not isinstance(layer.contraction, Polynomials)]
        return f", plain products in layer {' and '.join(left)}" if left else ""

    def _make_tables(self, plain: Mace) -> bool:
        """Whether splines can stand for the perceptrons."""
        last = len(self.rows) - 1
        tried = [(0, 0), (0, last), (last, last)] if self.by_elements else [(0, 0)]
        for layer in self._frozen():
            if not layer.make_tables(plain.radial, tried):
                return False
        if not self.by_elements:
            self.rows[:] = 0
            self._add_tables([(0, 0)])
        return True

    def _features(self, first: Float[Tensor, "A C"], elements: Int[Tensor, "A"], edges: Directions) -> list[Features]:
        nodes: Features = {"0e": first[:, None]}
        sent, every = self._frozen()[0].up(nodes), []
        for layer in self._frozen():
            products = layer.products(sent, nodes, elements, edges)
            nodes = layer.outcome(products, nodes, elements)
            sent = layer.onward(products, nodes)
            every.append(nodes)
        return every

    def _directions(self, edges: Edges) -> tuple[Float[Tensor, "E"], Float[Tensor, "E H"]]:
        return lengths_and_harmonics(edges.vectors, self.config.max_l)

    def _described(
        self, graph: Graph, elements: Int[Tensor, "A"], lengths: Float[Tensor, "E"], harmonics: Float[Tensor, "E H"]
    ) -> Directions:
        edges = graph.edges
        kinds = self._kinds(lengths, elements[edges.senders], elements[edges.receivers])
        if kinds is None:
            return super()._described(graph, elements, lengths, harmonics)
        starts = torch.bincount(edges.receivers, minlength=graph.n_atoms).cumsum(0).numpy()
        starts = np.concatenate([[0], starts]).astype(np.uint64)
        return Walk(edges.senders, edges.receivers, harmonics, lengths, starts, kinds)

    def _kinds(
        self, lengths: Float[Tensor, "E"], senders: Int[Tensor, "E"], receivers: Int[Tensor, "E"]
    ) -> Int[Tensor, "E"] | None:
        """Rows of the tables for the elements at the ends of each edge; None where tables do not serve all edges."""
        if not self.splined or (len(lengths) and float(lengths.detach().min()) < SHORTEST):
            return None
        ends = senders.numpy(), receivers.numpy()
        missing = np.unique(np.stack(ends, axis=1)[self.rows[ends] < 0], axis=0)
        if len(missing) and not self._add_tables([(int(s), int(r)) for s, r in missing]):
            return None
        return torch.from_numpy(self.rows[ends])

    def _add_tables(self, pairs: list[Pair]) -> bool:
        """Whether there was room for them."""
        if not all(layer.tables.has_room(len(pairs)) for layer in self._frozen()):
            return False
        for layer in self._frozen():
            layer.tables.add(pairs)
            if layer.by.density:
                layer.shares.add(pairs)
        if self.by_elements:
            self.rows[tuple(np.array(pairs).T)] = self.rows.max() + 1 + np.arange(len(pairs))
        return True

    def _frozen(self) -> list[FrozenLayer]:
        return list(self.layers)  # type: ignore[arg-type]


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
        read = {"0e", *self.by.tensor_readouts, *(following.by.outputs if following.by.residual != "none" else ())}
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
