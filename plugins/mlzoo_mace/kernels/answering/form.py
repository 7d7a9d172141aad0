"""The form in which a MACE answers on a CPU: weights stay as they are, and nothing of an edge is written to memory."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mlzoo.graph import Edges, Graph
from mlzoo_mace.convolution import Directions
from mlzoo_mace.equivariant import Features
from mlzoo_mace.kernels.answering.convolution import Walk
from mlzoo_mace.kernels.answering.harmonics import lengths_and_harmonics
from mlzoo_mace.kernels.answering.layer import FrozenLayer
from mlzoo_mace.kernels.answering.polynomials import Polynomials
from mlzoo_mace.kernels.answering.splines import SHORTEST, Pair
from mlzoo_mace.kernels.answering.sweep import sweep
from mlzoo_mace.kernels.learning.contraction import CompiledContraction
from mlzoo_mace.kernels.learning.form import CompiledMace, tells_elements
from mlzoo_mace.layer import MaceLayer
from mlzoo_mace.model import Mace


class FrozenMace(CompiledMace):
    """Parameters of the plain form, which is its judge, as they are when it is made.

    Radial functions come from splines if ``splined``, which are precise to what float32 can tell. Where they do not (edges
    below the first knot, more pairs of elements than tables may be kept for), the perceptrons of the plain form give them,
    with everything else compiled.
    """

    derivatives = 1
    shares_work = True

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
        if isinstance(edges, Walk) and all(layer.swept for layer in self._frozen()):
            return sweep(self._frozen(), nodes, elements, edges)
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
        bounds = np.searchsorted(edges.receivers.numpy(), np.arange(graph.n_atoms + 1)).view(np.uint64)
        spans = np.stack([bounds[:-1], bounds[1:]], axis=1)
        return Walk(edges.senders, edges.receivers, harmonics, lengths, spans, kinds)

    def _kinds(
        self, lengths: Float[Tensor, "E"], senders: Int[Tensor, "E"], receivers: Int[Tensor, "E"]
    ) -> Int[Tensor, "E"] | None:
        """Rows of the tables for the elements at the ends of each edge; None where tables do not serve all edges."""
        if not self.splined or (len(lengths) and float(lengths.detach().min()) < SHORTEST):
            return None
        ends = senders.numpy(), receivers.numpy()
        kinds = self.rows[ends]
        if (kinds >= 0).all():
            return torch.from_numpy(kinds)
        missing = np.unique(np.stack(ends, axis=1)[kinds < 0], axis=0)
        if not self._add_tables([(int(s), int(r)) for s, r in missing]):
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
