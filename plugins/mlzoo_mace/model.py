"""MACE: Batatia, Kovács, Simm, Ortner and Csányi, NeurIPS 2022 (arXiv:2206.07697)."""

from __future__ import annotations

import itertools

import torch
from e3nn import o3
from jaxtyping import Float, Int
from torch import Tensor, nn

from mlzoo.conditions import Condition
from mlzoo.graph import Edges, Graph
from mlzoo.model import EnergyModel, Model
from mlzoo.nn.constants import KeepsFloat64
from mlzoo.nn.segments import mean_per_segment
from mlzoo.properties import Property
from mlzoo_mace.config import MaceConfig, Readout
from mlzoo_mace.convolution import Directions, Geometry
from mlzoo_mace.embedding import NodeEmbedding
from mlzoo_mace.equivariant import Features
from mlzoo_mace.layer import MaceLayer
from mlzoo_mace.pair_terms import ZBLRepulsion, coulomb
from mlzoo_mace.radial import RadialBasis, activate

CHARGES = Property("charges", "e", "atom", "partial charges; they sum to the total charge")


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
        x = torch.einsum("ac,hcm->ahm", scalars, self.weights[0])
        for layer in range(1, len(self.weights)):
            x = torch.einsum("ahm,hmn->ahn", activate(x, self.by.activation), self.weights[layer])
            x = x if self.biases is None else x + self.biases[layer - 1]
        return x


class EnergyTable(KeepsFloat64):
    """What readouts are turned into energies with: reference energies, scale and shift of each head, in float64."""

    references: Tensor  # eV
    scale: Tensor
    shift: Tensor  # eV

    def __init__(self, heads: int, elements: int):
        super().__init__()
        self.register_buffer("references", torch.zeros(heads, elements).double())
        self.register_buffer("scale", torch.ones(heads).double())
        self.register_buffer("shift", torch.zeros(heads).double())

    def forward(
        self, learned: Float[Tensor, "A"], head: Int[Tensor, "A"], elements: Int[Tensor, "A"]
    ) -> Float[Tensor, "A"]:
        references, scale, shift = self.references.double(), self.scale.double(), self.shift.double()
        return references[head, elements] + shift[head] + scale[head] * learned


class Mace(EnergyModel):
    """Embedding, layers with their readouts, and what is added to them."""

    index_of: Tensor

    def __init__(self, config: MaceConfig):
        super().__init__()
        self.config = config
        self.cutoff, self.elements = config.cutoff, config.elements
        self.smoothness = "forces"
        heads, elements = len(config.heads), len(config.elements)
        index_of = torch.full((119,), -1)
        index_of[list(config.elements)] = torch.arange(elements)
        self.register_buffer("index_of", index_of, persistent=False)
        self.conditions = self._conditions(config)
        self.intensive_conditions = frozenset(each.condition for each in config.embedding.conditions)
        self.radial = RadialBasis(config)
        self.embedding = NodeEmbedding(config.embedding, elements, config.layers[0].input_channels)
        self.layers = nn.ModuleList(MaceLayer(layer, config) for layer in config.layers)
        targets = 2 if config.charges else 1
        self.readouts = nn.ModuleDict(
            {
                str(index): ReadoutBlock(layer.readout, layer.channels, heads, targets)
                for index, layer in enumerate(config.layers)
                if layer.readout
            }
        )
        if config.embedding.readout:
            self.embedding_readout = ReadoutBlock(Readout(), config.layers[0].input_channels, heads, 1)
        self.table = EnergyTable(heads, elements)
        if config.zbl:
            self.zbl = ZBLRepulsion(config.zbl, config.elements)
        if config.charges:
            self.outputs = (CHARGES,)
            self.local = False  # what is missing to the total charge is spread over the structure
            self.long_range_cutoff = config.charges.coulomb_cutoff
            if self.long_range_cutoff:
                self.smoothness = "none"

    @staticmethod
    def _conditions(config: MaceConfig) -> tuple[Condition, ...]:
        known = [Condition(each.condition, each.default) for each in config.embedding.conditions]
        if config.charges and not any(each.name == "charge" for each in known):
            known.append(Condition("charge", 0))
        if len(config.heads) > 1:
            known.append(Condition("head", config.default_head, config.heads))
        return tuple(known)

    @property
    def reference_energies(self) -> dict[int, tuple[float, ...]]:
        columns = self.table.references.T.tolist()
        return {z: tuple(energies) for z, energies in zip(self.elements, columns, strict=True)}

    def inference_form(self) -> Model | None:
        first = next(self.parameters())
        if first.device.type != "cpu":
            return None
        from mlzoo_mace.kernels.inference import FrozenMace  # compiles at its first call

        return FrozenMace(self, splined=first.dtype == torch.float32)

    def forward(self, graph: Graph) -> dict[str, Tensor]:
        elements = self.index_of[graph.atomic_numbers]  # (A,)
        head = self._head(graph)  # (A,)
        first = self.embedding(elements, graph)  # (A, C)
        lengths, geometry = self._geometry(graph, elements)
        read = first.new_zeros(graph.n_atoms, 2 if self.config.charges else 1, dtype=torch.float64)
        for index, features in enumerate(self._features(first, elements, geometry)):
            if str(index) in self.readouts:
                read = read + _of_head(self.readouts[str(index)](features["0e"][:, 0]), head).double()
        learned = read[:, 0]
        if self.config.zbl:
            ends = elements[geometry.senders], elements[geometry.receivers]
            learned = learned + self.zbl(lengths, *ends, geometry.receivers, graph.n_atoms).double()
        energies = self.table(learned, head, elements)
        if self.config.embedding.readout:
            energies = energies + _of_head(self.embedding_readout(first), head)[:, 0].double()
        if not self.config.charges:
            return {"energies": energies}
        charges = self._charges(read[:, 1], graph)
        if graph.long_range is not None and self.long_range_cutoff:
            far = graph.long_range
            energies = energies + coulomb(charges, far.lengths.double(), far.senders, far.receivers)
        return {"energies": energies, "charges": charges}

    def descriptors(self, graph: Graph) -> list[Features]:
        """Features of the atoms behind each layer."""
        elements = self.index_of[graph.atomic_numbers]
        _, geometry = self._geometry(graph, elements)
        return self._features(self.embedding(elements, graph), elements, geometry)

    def _features(self, first: Float[Tensor, "A C"], elements: Int[Tensor, "A"], edges: Directions) -> list[Features]:
        nodes: Features = {"0e": first[:, None]}
        every = []
        for layer in self.layers:
            nodes = layer(nodes, elements, edges)
            every.append(nodes)
        return every

    def _geometry(self, graph: Graph, elements: Int[Tensor, "A"]) -> tuple[Float[Tensor, "E"], Directions]:
        lengths, harmonics = self._directions(graph.edges)
        return lengths, self._described(graph, elements, lengths, harmonics)

    def _directions(self, edges: Edges) -> tuple[Float[Tensor, "E"], Float[Tensor, "E H"]]:
        degrees = list(range(self.config.max_l + 1))
        return edges.lengths, o3.spherical_harmonics(degrees, edges.vectors, normalize=True, normalization="component")

    def _described(
        self, graph: Graph, elements: Int[Tensor, "A"], lengths: Float[Tensor, "E"], harmonics: Float[Tensor, "E H"]
    ) -> Directions:
        """What layers read of the edges."""
        edges = graph.edges
        ends = elements[edges.senders], elements[edges.receivers]
        basis, cut = self.radial(lengths, *ends)
        late = cut if self.config.radial.envelope_on == "weights" else None
        return Geometry(edges.senders, edges.receivers, harmonics, *ends, basis, late)

    def _head(self, graph: Graph) -> Int[Tensor, "A"]:
        if len(self.config.heads) == 1:
            return torch.zeros_like(graph.structure_index)
        return graph.conditions["head"][graph.structure_index]

    @staticmethod
    def _charges(raw: Float[Tensor, "A"], graph: Graph) -> Float[Tensor, "A"]:
        """Shifted by the same amount each, so that they sum to the charge of the structure."""
        total = graph.conditions["charge"]
        sizes = torch.bincount(graph.structure_index, minlength=graph.n_structures)
        excess = mean_per_segment(raw, graph.structure_index, graph.n_structures) - total / sizes
        return raw - excess[graph.structure_index]


def _of_head(values: Float[Tensor, "A H T"], head: Int[Tensor, "A"]) -> Float[Tensor, "A T"]:
    return values[torch.arange(len(values), device=values.device), head]
