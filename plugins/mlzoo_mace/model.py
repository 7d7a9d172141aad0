"""MACE: Batatia, Kovács, Simm, Ortner and Csányi, NeurIPS 2022 (arXiv:2206.07697)."""

from __future__ import annotations

import copy

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mlzoo.conditions import Condition
from mlzoo.graph import Edges, Graph
from mlzoo.model import EnergyModel, Model, PropertyModel
from mlzoo.nn import o3
from mlzoo.nn.constants import KeepsFloat64
from mlzoo.properties import CHARGES, DIPOLE, POLARIZABILITY, Property
from mlzoo_mace.config import IrrepName, MaceConfig, Readout, degree
from mlzoo_mace.convolution import Directions, Geometry
from mlzoo_mace.dielectric import Polarizability, dipole, sum_to_total
from mlzoo_mace.embedding import NodeEmbedding
from mlzoo_mace.equivariant import Features
from mlzoo_mace.kernels import fused
from mlzoo_mace.layer import MaceLayer
from mlzoo_mace.pair_terms import ZBLRepulsion, coulomb
from mlzoo_mace.radial import RadialBasis
from mlzoo_mace.readout import ReadoutBlock, TensorReadoutBlock


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


class MaceNetwork(Model):
    """Embedding, layers, and what is read from them at each atom."""

    index_of: Tensor
    outputs: tuple[Property, ...]

    def __init__(self, config: MaceConfig):
        super().__init__()
        self.config = config
        self.cutoff, self.elements = config.cutoff, config.elements
        elements = len(config.elements)
        index_of = torch.full((119,), -1)
        index_of[list(config.elements)] = torch.arange(elements)
        self.register_buffer("index_of", index_of, persistent=False)
        self.conditions = self._conditions(config)
        self.radial = RadialBasis(config)
        self.embedding = NodeEmbedding(config.embedding, elements, config.layers[0].input_channels)
        self.layers = nn.ModuleList(MaceLayer(layer, config) for layer in config.layers)
        self.readouts = nn.ModuleDict(
            {
                str(index): ReadoutBlock(layer.readout, layer.channels, len(config.heads), len(config.scalars))
                for index, layer in enumerate(config.layers)
                if layer.readout
            }
        )
        self.tensor_readouts = nn.ModuleDict(
            {
                str(index): nn.ModuleDict(
                    {
                        irrep: TensorReadoutBlock(by, irrep, layer.channels)
                        for irrep, by in layer.tensor_readouts.items()
                    }
                )
                for index, layer in enumerate(config.layers)
                if layer.tensor_readouts
            }
        )
        if config.polarizability:
            self.polarizability = Polarizability()
        asked = {CHARGES: config.charges is not None, DIPOLE: config.dipole, POLARIZABILITY: config.polarizability}
        self.outputs = tuple(each for each, said in asked.items() if said)

    @staticmethod
    def _conditions(config: MaceConfig) -> tuple[Condition, ...]:
        known = [Condition(each.condition, each.default) for each in config.embedding.conditions]
        if config.charges and not any(each.name == "charge" for each in known):
            known.append(Condition("charge", 0))
        if len(config.heads) > 1:
            known.append(Condition("head", config.default_head, config.heads))
        return tuple(known)

    def descriptors(self, graph: Graph) -> list[Features]:
        """Features of the atoms behind each layer."""
        elements = self.index_of[graph.atomic_numbers]
        _, geometry = self._geometry(graph, elements)
        return self._features(self.embedding(elements, graph), elements, geometry)

    def _read(self, every: list[Features], head: Int[Tensor, "A"]) -> dict[IrrepName, Tensor]:
        """Sums over layers in float64: scalars (A, T), and tensors (A, 2l+1)."""
        sizes = {"0e": len(self.config.scalars), **{irrep: 2 * degree(irrep) + 1 for irrep in self.config.tensors}}
        read = {
            irrep: torch.zeros(len(head), size, dtype=torch.float64, device=head.device)
            for irrep, size in sizes.items()
        }
        for index, features in enumerate(every):
            if str(index) in self.readouts:
                read["0e"] = read["0e"] + _of_head(self.readouts[str(index)](features["0e"][:, 0]), head).double()
            if str(index) in self.tensor_readouts:
                for irrep, readout in self.tensor_readouts[str(index)].items():  # type: ignore[operator]
                    read[irrep] = read[irrep] + readout(features).double()
        return read

    def _others(self, read: dict[IrrepName, Tensor], graph: Graph) -> dict[str, Tensor]:
        """What is predicted besides energies."""
        scalars = dict(zip(self.config.scalars, read["0e"].unbind(dim=1), strict=True))
        found: dict[str, Tensor] = {}
        if self.config.charges:
            found["charges"] = sum_to_total(scalars["charge"], graph)  # (A,)
        if self.config.dipole:
            found["dipole"] = dipole(read["1o"], graph, found.get("charges"))  # (S, 3)
        if self.config.polarizability:
            found["polarizability"] = self.polarizability(scalars["trace"], read["2e"], graph)  # (S, 3, 3)
        return found

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


class Mace(MaceNetwork, EnergyModel):
    """Energies, and what else is read."""

    def __init__(self, config: MaceConfig):
        super().__init__(config)
        self.smoothness = "forces"
        self.intensive_conditions = frozenset(each.condition for each in config.embedding.conditions)
        heads, elements = len(config.heads), len(config.elements)
        if config.embedding.readout:
            self.embedding_readout = ReadoutBlock(Readout(), config.layers[0].input_channels, heads, 1)
        self.table = EnergyTable(heads, elements)
        if config.zbl:
            self.zbl = ZBLRepulsion(config.zbl, config.elements)
        if config.charges:
            self.local = False  # what is missing to the total charge is spread over the structure
            self.long_range_cutoff = config.charges.coulomb_cutoff
            if self.long_range_cutoff:
                self.smoothness = "none"

    @property
    def reference_energies(self) -> dict[int, tuple[float, ...]]:
        columns = self.table.references.T.tolist()
        return {z: tuple(energies) for z, energies in zip(self.elements, columns, strict=True)}

    def _become(self, plain: Mace) -> None:
        """A copy with the same parameters, for a faster form to put its own modules into."""
        shared = {id(parameter): parameter for parameter in plain.parameters()}
        self.__dict__.update(copy.deepcopy(plain.__dict__, shared))

    def inference_form(self) -> Model | None:
        """Compiled loops on a CPU; on a GPU cuEquivariance's kernels where they are installed."""
        first = next(self.parameters())
        if first.device.type == "cpu":
            from mlzoo_mace.kernels.answering.form import FrozenMace  # compiles at its first call

            return FrozenMace(self, splined=first.dtype == torch.float32)
        if first.device.type == "cuda" and fused.installed():
            from mlzoo_mace.kernels.fused.form import FusedMace  # of an optional package

            return FusedMace(self)
        return None

    def forward(self, graph: Graph) -> dict[str, Tensor]:
        elements = self.index_of[graph.atomic_numbers]  # (A,)
        head = self._head(graph)  # (A,)
        first = self.embedding(elements, graph)  # (A, C)
        lengths, geometry = self._geometry(graph, elements)
        read = self._read(self._features(first, elements, geometry), head)
        learned = read["0e"][:, 0]
        if self.config.zbl:
            ends = elements[geometry.senders], elements[geometry.receivers]
            learned = learned + self.zbl(lengths, *ends, geometry.receivers, graph.n_atoms).double()
        energies = self.table(learned, head, elements)
        if self.config.embedding.readout:
            energies = energies + _of_head(self.embedding_readout(first), head)[:, 0].double()
        others = self._others(read, graph)
        if graph.long_range is not None and self.long_range_cutoff:
            far = graph.long_range
            energies = energies + coulomb(others["charges"], far.lengths.double(), far.senders, far.receivers)
        return {"energies": energies, **others}


class DielectricMace(MaceNetwork, PropertyModel):
    """Dipole, polarizability and charges, without an energy."""

    def forward(self, graph: Graph) -> dict[str, Tensor]:
        elements = self.index_of[graph.atomic_numbers]
        _, geometry = self._geometry(graph, elements)
        every = self._features(self.embedding(elements, graph), elements, geometry)
        return self._others(self._read(every, self._head(graph)), graph)


def _of_head(values: Float[Tensor, "A H T"], head: Int[Tensor, "A"]) -> Float[Tensor, "A T"]:
    if values.shape[1] == 1:
        return values[:, 0]
    return values[torch.arange(len(values), device=values.device), head]
