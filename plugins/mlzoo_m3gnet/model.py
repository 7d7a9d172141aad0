"""M3GNet, as in figure 1 of Chen and Ong, Nat. Comput. Sci. 2, 718 (2022)."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from mlzoo.graph import Graph
from mlzoo.model import EnergyModel, Model, PropertyModel
from mlzoo.nn.mlp import MLP, EdgeGatedMLP, GatedMLP
from mlzoo.nn.radial import BesselBasis, SmoothBesselBasis
from mlzoo.nn.reference import ReferenceEnergies
from mlzoo.nn.segments import sum_per_segment
from mlzoo_m3gnet.config import EnergyReadout, M3GNetConfig
from mlzoo_m3gnet.pooling import pooling
from mlzoo_m3gnet.threebody import ShortBonds, ThreeBodyGeometry, ThreeBodyInteraction

Ends = tuple[Int[Tensor, "E"], Int[Tensor, "E"], Int[Tensor, "E"]]
"""Of every edge: its centre, its neighbour, and which of them receives its message."""


class Block(nn.Module):
    """Three-body interaction, then edge update, then atom update (eqs. 2 to 6)."""

    def __init__(self, config: M3GNetConfig, basis_size: int):
        super().__init__()
        widths = [config.hidden_width] * (config.update_layers - 1)
        self.activate_node_weights = config.activate_node_weights
        self.threebody = ThreeBodyInteraction(config)
        self.edge_update = EdgeGatedMLP(config.node_width, config.edge_width, [*widths, config.edge_width])
        self.edge_weights = nn.Linear(basis_size, config.edge_width, bias=False)
        self.node_update = EdgeGatedMLP(config.node_width, config.edge_width, [*widths, config.node_width])
        self.node_weights = nn.Linear(basis_size, config.node_width, bias=False)

    def forward(
        self,
        nodes: Float[Tensor, "A V"],
        edges: Float[Tensor, "E W"],
        basis: Float[Tensor, "E K"],
        bonds: ShortBonds,
        ends: Ends,
    ) -> tuple[Float[Tensor, "A V"], Float[Tensor, "E W"]]:
        centres, neighbours, targets = ends
        edges = self.threebody(nodes, edges, bonds)  # (E, W)
        edges = edges + self.edge_update(nodes, edges, centres, neighbours) * self.edge_weights(basis)  # (E, W)
        weights = self.node_weights(basis)  # (E, V)
        weights = functional.silu(weights) if self.activate_node_weights else weights
        messages = self.node_update(nodes, edges, centres, neighbours) * weights  # (E, V)
        return nodes + sum_per_segment(messages, targets, len(nodes)), edges


class Representation(nn.Module):
    """Everything before the readout: features of each atom from the graph."""

    index_of: Tensor

    def __init__(self, config: M3GNetConfig):
        super().__init__()
        self.aggregate = config.aggregate
        index_of = torch.full((119,), -1)
        index_of[list(config.elements)] = torch.arange(len(config.elements))
        self.register_buffer("index_of", index_of, persistent=False)
        if config.radial_basis == "smooth":
            self.basis: SmoothBesselBasis | BesselBasis = SmoothBesselBasis(config.max_n, config.cutoff)
        else:
            self.basis = BesselBasis(config.max_l, config.max_n, config.cutoff)
        self.geometry = ThreeBodyGeometry(config)
        self.node_embedding = nn.Embedding(len(config.elements), config.node_width)
        self.edge_embedding = MLP(
            [self.basis.size, config.edge_width], activate_last=True, bias=config.edge_embedding_bias
        )
        self.blocks = nn.ModuleList(Block(config, self.basis.size) for _ in range(config.blocks))

    def forward(self, graph: Graph) -> Float[Tensor, "A V"]:
        *_, nodes = self.layers(graph)
        return nodes

    def layers(self, graph: Graph) -> Iterator[Float[Tensor, "A V"]]:
        """Features of the atoms behind each block."""
        nodes, edges, basis, bonds, ends = self.start(graph)  # (A, V), (E, W), (E, K)
        for block in self.blocks:
            nodes, edges = block(nodes, edges, basis, bonds, ends)
            yield nodes

    def start(self, graph: Graph) -> tuple[Tensor, Tensor, Tensor, ShortBonds, Ends]:
        """First features of atoms and edges, and the geometry that every block reads."""
        # all edges come in both directions, so the receiver can be the centre and the sender its neighbour
        centres, neighbours = graph.edges.receivers, graph.edges.senders
        ends = (centres, neighbours, centres if self.aggregate == "centre" else neighbours)
        lengths = graph.edges.lengths  # (E,)
        basis = self.basis(lengths)  # (E, K)
        bonds = self.geometry(graph.edges.vectors, lengths, basis, (centres, neighbours), self._first_edges(graph))
        nodes = self.node_embedding(self.index_of[graph.atomic_numbers])  # (A, V)
        return nodes, self.edge_embedding(basis), basis, bonds, ends

    @staticmethod
    def _first_edges(graph: Graph) -> Tensor:
        """For each edge, the first edge of its structure."""
        structure = graph.structure_index[graph.edges.receivers]
        return torch.searchsorted(structure, structure)


class M3GNet(Model):
    """What energies and properties have in common."""

    def __init__(self, config: M3GNetConfig):
        super().__init__()
        self.cutoff, self.elements = config.cutoff, config.elements
        self.edge_order = "matgl" if config.triplets == "pruned" else "any"
        self.representation = Representation(config)

    def descriptors(self, graph: Graph) -> list[dict[str, Tensor]]:
        return [{"0e": nodes[:, None]} for nodes in self.representation.layers(graph)]

    def inference_form(self) -> Model | None:
        """The same model with its blocks in Numba kernels; for constant parameters on a CPU in float32."""
        first = next(self.parameters())
        if first.device.type != "cpu" or first.dtype != torch.float32:
            return None
        from mlzoo_m3gnet.kernels.representation import FastRepresentation  # imports Numba

        return self._with_representation(FastRepresentation(self.representation))

    def learning_form(self) -> Model:
        """The same parameters, with the blocks' edge perceptrons in Numba kernels; twice differentiable, on a CPU."""
        from mlzoo_m3gnet.kernels.learning import LearningRepresentation  # imports Numba

        return self._with_representation(LearningRepresentation(self.representation))

    def _with_representation(self, representation: nn.Module) -> Model:
        form = copy.copy(self)
        form._modules = {**self._modules, "representation": representation}
        form.kernels = "numba"
        return form


class M3GNetPotential(M3GNet, EnergyModel):
    """Energies of atoms: the scaled readout plus the reference energy of each element."""

    def __init__(self, config: M3GNetConfig):
        super().__init__(config)
        assert isinstance(config.readout, EnergyReadout)
        self.smoothness = "forces" if config.radial_basis == "smooth" else "energy"
        self.local = config.triplets == "correct"  # the defect couples atoms that are far apart
        self.scale = config.readout.scale  # eV
        of_atoms = [config.node_width] * (config.readout.layers - 2)
        self.readout = GatedMLP([*of_atoms, config.hidden_width, config.hidden_width, 1], activate_last=False)
        self.references = ReferenceEnergies(torch.zeros(len(config.elements)))

    @property
    def reference_energies(self) -> dict[int, tuple[float, ...]]:
        energies = self.references.energies.tolist()
        return {z: (energy,) for z, energy in zip(self.elements, energies, strict=True)}

    def forward(self, graph: Graph) -> dict[str, Tensor]:
        nodes = self.representation(graph)  # (A, V)
        learned = self.readout(nodes).squeeze(1).double() * self.scale  # (A,)
        return {"energies": learned + self.references(self.representation.index_of[graph.atomic_numbers])}


class M3GNetProperty(M3GNet, PropertyModel):
    """One intensive property of the structure."""

    def __init__(self, config: M3GNetConfig):
        super().__init__(config)
        assert not isinstance(config.readout, EnergyReadout)
        self.target, self.pool = config.readout.target, config.readout.kind
        self.outputs = (self.target.property,)
        pool, width = pooling(config)
        self.add_module(self.pool, pool)  # named for what it is
        self.readout = MLP([width, config.hidden_width, config.hidden_width, 1])

    def forward(self, graph: Graph) -> dict[str, Tensor]:
        nodes = self.representation(graph)  # (A, V)
        whole = self.get_submodule(self.pool)(nodes, graph.structure_index, graph.n_structures)  # (S, P)
        return {self.target.name: self.target.of_output(self.readout(whole).squeeze(1))}
