"""InstaDeep's first generation of MACE zips (library 0.1): parameters as flax named them, folded into our layout."""

from __future__ import annotations

import itertools
from pathlib import Path

import torch
from torch import Tensor

from mlzoo.errors import UnreadableFile
from mlzoo.plugin import ReadWeights
from mlzoo_mace.config import Contraction, Coupling, IrrepName, Irreps, Layer, MaceConfig, RadialMLP, Readout, natural
from mlzoo_mace.convolution import paths
from mlzoo_mace.radial import activate
from mlzoo_mace.readers import mlip
from mlzoo_mace.readers.bases import full_basis, symmetric_basis
from mlzoo_mace.readers.mlip_hyperparameters import First, parse

PREFIX = "params#mlip_network#MaceBlock_0#"
HIDDEN = (64, 64, 64)  # of every radial perceptron of this generation


def read(path: Path) -> ReadWeights:
    """Read a zip. Raises :class:`UnreadableFile` for one that is damaged or has an option that we do not know."""
    archive = mlip.open_archive(path, PREFIX, device_axis=False)
    if archive.arrays.get("LinearNodeEmbeddingBlock_0#embeddings", torch.zeros(0)).dim() == 3:
        archive = mlip.open_archive(path, PREFIX, device_axis=True)  # trained on several devices
    return _Reader(archive).read()


class _Reader:
    def __init__(self, archive: mlip.Archive):
        every = parse(archive.path, archive.hyperparameters, First)
        said, self.data = every.config, every.dataset_info
        self.archive, self.said = archive, said
        self.elements = self.data.elements
        self.channels, self.max_l = said.num_channels, said.l_max
        self.neighbours = said.avg_num_neighbors or self.data.avg_num_neighbors
        self.activation = mlip.activation(archive, said.activation)
        self.state: dict[str, Tensor] = {}

    def read(self) -> ReadWeights:
        archive, said = self.archive, self.said
        self.species = said.num_species or len(self.elements)  # may be more than there are elements
        if self.species < len(self.elements):
            raise UnreadableFile(f"{archive.path} has num_species={self.species} and {len(self.elements)} elements.")
        embeddings = archive.take("LinearNodeEmbeddingBlock_0#embeddings", self.species, self.channels)
        self.state["embedding.element"] = self._known(embeddings) / self.species**0.5
        pairs = (
            archive.take("species_embedding#embedding", self.species, said.species_embedding_dim)
            if said.species_embedding_dim
            else None
        )
        self.state["radial.frequencies"] = mlip.frequencies(self.data, said.num_bessel)
        inputs: Irreps = ("0e",)
        layers = []
        for index in range(said.num_layers):
            last = index == said.num_layers - 1
            layers.append(self._layer(index, inputs, ("0e",) if last else natural(said.symmetry), last, pairs))
            inputs = layers[-1].outputs
        archive.finish()
        self.state["table.references"] = self._references()
        self.state["table.scale"] = torch.tensor([self.data.scaling_stdev], dtype=torch.float64)
        self.state["table.shift"] = torch.tensor([self.data.scaling_mean], dtype=torch.float64)
        shortest = said.avg_r_min or self.data.avg_r_min_angstrom
        config = MaceConfig(
            elements=self.elements,
            cutoff=self.data.cutoff,
            max_l=self.max_l,
            radial=mlip.radial(archive, self.data, said.radial_envelope, said.num_bessel, shortest),
            layers=tuple(layers),
        )
        return ReadWeights(config, self.state, mlip.provenance(archive))

    def _layer(self, index: int, inputs: Irreps, outputs: Irreps, last: bool, pairs: Tensor | None) -> Layer:
        theirs, ours = f"layer_{index}#", f"layers.{index}."
        channels, messages = self.channels, natural(self.max_l)
        for irrep in inputs:
            self.state[f"{ours}up.weights.{irrep}"] = self._linear(
                f"{theirs}InteractionBlock_0#linear_up", irrep, channels
            )
        self._messages(theirs, ours, inputs, messages, pairs)
        for irrep in messages if index == 0 else outputs:  # those that the input of a later layer has
            name = f"{theirs}FullyConnectedTensorProduct_0#w[{{}},0,{{}}] {channels}x{irrep},{self.species}x0e,{channels}x{irrep}"
            if (mix := self._any(name, channels, self.species, channels)) is not None:
                kind = "mix" if index == 0 else "residual"
                scaled = self._known(mix.permute(1, 0, 2)) / (channels * self.species) ** 0.5
                self.state[f"{ours}{kind}.weights.{irrep}"] = scaled.contiguous()
        block = f"{theirs}EquivariantProductBasisBlock_0#"
        contraction = self._contraction(f"{block}SymmetricContraction_0#", ours, messages, outputs)
        if self.said.gate_nodes:
            gates = len(outputs) * channels
            self.state[f"{ours}node_gates"] = self._known(
                self.archive.take(f"{block}species_wise_gate_weights", self.species, channels, gates)
            )
            self.state[f"{ours}node_gate_biases"] = self._known(
                self.archive.take(f"{block}species_wise_gate_bias", self.species, gates)
            )
        for irrep in outputs:
            self.state[f"{ours}linear.weights.{irrep}"] = self._linear(f"{block}Linear_0", irrep, channels)
        return Layer(
            inputs=inputs,
            input_channels=channels,
            up=inputs,
            up_channels=channels,
            messages=messages,
            channels=channels,
            outputs=outputs,
            radial_mlp=RadialMLP(hidden=HIDDEN, activation=self.activation),
            pair_factors=pairs is not None,
            mix_elements=index == 0,
            residual="none" if index == 0 else "elements",
            contraction=contraction,
            node_gates=self.said.gate_nodes,
            readout=self._readout(index, theirs, last),
        )

    def _messages(self, theirs: str, ours: str, inputs: Irreps, messages: Irreps, pairs: Tensor | None) -> None:
        """Radial perceptron and the map behind the convolution, from their order of paths into ours.

        For each received irrep their first path is the sender's own irrep, untouched: the one with harmonic 0. Their
        harmonics point from receiver to sender, which changes the sign of the odd ones.
        """
        channels, block = self.channels, f"{theirs}InteractionBlock_0#"
        mine = paths(inputs, self.max_l, messages)
        their_order = sorted(mine, key=lambda path: (messages.index(path.received), path.harmonic > 0))
        order = [their_order.index(path) for path in mine]
        signs = torch.tensor([(-1.0) ** path.harmonic for path in mine], dtype=torch.float64)[:, None]
        widths = [self.said.num_bessel, *HIDDEN, len(mine) * channels]
        convolution = f"{block}MessagePassingConvolution_0#"
        for layer, (rows, columns) in enumerate(itertools.pairwise(widths)):
            name = f"{convolution}MultiLayerPerceptron_0#Dense_{layer}#kernel"
            weight = self.archive.take(name, rows, columns) / rows**0.5
            if layer == len(HIDDEN):
                weight = (weight.unflatten(1, (len(mine), channels))[:, order] * signs).flatten(1)
            self.state[f"{ours}radial.weights.{layer}"] = weight
        if pairs is not None:
            factors = self._pair_factors(f"{convolution}MultiLayerPerceptron_1#", pairs, len(mine) * channels)
            self.state[f"{ours}pair_factors"] = factors.unflatten(2, (len(mine), channels))[:, :, order].contiguous()
        for irrep in messages:
            positions = [at for at, path in enumerate(their_order) if path.received == irrep]
            count = len(positions)
            weight = self._linear(f"{block}linear_down", irrep, count * channels) / self.neighbours
            places = [order[at] - positions[0] for at, path in enumerate(mine) if path.received == irrep]
            self.state[f"{ours}down.weights.{irrep}"] = weight.unflatten(0, (count, channels))[places].flatten(0, 1)

    def _pair_factors(self, name: str, embedding: Tensor, outputs: int) -> Tensor:
        """What the perceptron on the two elements' embeddings gives for each pair of sender and receiver."""
        sender, receiver = (
            embedding[:, None].expand(-1, len(embedding), -1),
            embedding[None].expand(len(embedding), -1, -1),
        )
        x = torch.cat([sender, receiver, sender * receiver], dim=-1)
        for layer in range(len(HIDDEN) + 1):
            width = x.shape[-1]
            bias = self.archive.take(f"{name}Dense_{layer}#bias", None)
            x = (x @ self.archive.take(f"{name}Dense_{layer}#kernel", width, len(bias)) + bias) / width**0.5
            x = activate(x, self.activation) if layer < len(HIDDEN) else x
        if x.shape[-1] != outputs:
            raise UnreadableFile(f"{self.archive.path}: {name} gives {x.shape[-1]} factors, not {outputs}.")
        return x[: len(self.elements), : len(self.elements)]

    def _contraction(self, name: str, ours: str, messages: Irreps, outputs: Irreps) -> Contraction:
        basis = symmetric_basis if self.said.symmetric_tensor_product_basis else full_basis
        terms: list[Coupling] = []
        for order in range(1, self.said.correlation + 1):
            for irrep, said, tensors in mlip.couplings(basis(messages, order, outputs), order):
                weights = self.archive.take(f"{name}w{order}_{irrep}", self.species, said.paths, self.channels)
                for key, tensor in {**tensors, "weights": self._known(weights)}.items():
                    self.state[f"{ours}contraction.terms.{len(terms)}.{key}"] = tensor
                terms.append(said)
        return Contraction(couplings=tuple(terms))

    def _readout(self, index: int, theirs: str, last: bool) -> Readout:
        """Their heads are summed: one head of ours with the hidden units of all."""
        heads, channels = self.said.num_readout_heads, self.channels
        if not last:
            names = [f"{theirs}LinearReadoutBlock_{head}#Linear_0" for head in range(heads)]
            each = [self._map(name, channels, 1) for name in names]
            self.state[f"readouts.{index}.weights.0"] = sum(each[1:], each[0])[None]
            return Readout()
        hidden = self.said.hidden
        names = [f"{theirs}NonLinearReadoutBlock_{head}#Linear_" for head in range(heads)]
        self.state[f"readouts.{index}.weights.0"] = torch.cat([self._map(f"{n}0", channels, hidden) for n in names], 1)[
            None
        ]
        self.state[f"readouts.{index}.weights.1"] = torch.cat([self._map(f"{n}1", hidden, 1) for n in names], 0)[None]
        return Readout(hidden=hidden * heads, activation=self.activation)

    def _references(self) -> Tensor:
        """eV: of the data set, zero, or by place of the element."""
        chosen = self.said.atomic_energies
        if chosen in (None, "average"):
            return mlip.references(self.data)
        chosen = {} if chosen == "zero" else chosen
        if not isinstance(chosen, dict):
            raise UnreadableFile(f"{self.archive.path} has atomic_energies={chosen!r}, which is not known.")
        return torch.tensor([[chosen.get(place, 0.0) for place in range(len(self.elements))]], dtype=torch.float64)

    def _linear(self, name: str, irrep: IrrepName, rows: int) -> Tensor:
        """A map of the channels of one irrep, with its normalisation."""
        weight = self._any(f"{name}#w[{{}},{{}}] {rows}x{irrep},{self.channels}x{irrep}", rows, self.channels)
        if weight is None:
            raise UnreadableFile(f"{self.archive.path} lacks the array {name} for {irrep}. Fetch it again.")
        return weight / rows**0.5

    def _map(self, name: str, rows: int, columns: int) -> Tensor:
        return self.archive.take(f"{name}#w[0,0] {rows}x0e,{columns}x0e", rows, columns) / rows**0.5

    def _any(self, name: str, *shape: int) -> Tensor | None:
        """An array whose name has places of chunks in brackets, which depend on what else there is."""
        for place in range(16):
            found = name.format(place, place)
            if found in self.archive.arrays:
                return self.archive.take(found, *shape)
        return None

    def _known(self, tensor: Tensor) -> Tensor:
        """Rows of the elements, without those that were reserved for more."""
        return tensor[: len(self.elements)]
