"""InstaDeep's second generation of MACE zips (library 0.2), folded into our layout."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from mlzoo.errors import UnreadableFile
from mlzoo.plugin import ReadWeights
from mlzoo_mace import convolution
from mlzoo_mace.config import (
    Charges,
    Contraction,
    Coupling,
    Embedded,
    Embedding,
    GauntContraction,
    IrrepName,
    Irreps,
    Layer,
    MaceConfig,
    RadialMLP,
    Readout,
    degree,
    natural,
)
from mlzoo_mace.readers import mlip
from mlzoo_mace.readers.bases import full_basis, in_order, parity, products, symmetric_basis, wigner
from mlzoo_mace.readers.couplings import over
from mlzoo_mace.readers.mlip_hyperparameters import Second, parse

PREFIX = "params#mlip_network#"


def read(path: Path) -> ReadWeights:
    """Read a zip. Raises :class:`UnreadableFile` for one that is damaged or has an option that we do not know."""
    return _Reader(mlip.open_archive(path, PREFIX, device_axis=False)).read()


class _Reader:
    def __init__(self, archive: mlip.Archive):
        every = parse(archive.path, archive.hyperparameters, Second)
        self.archive, self.said, self.data = archive, every.config, every.dataset_info
        self.elements = self.data.elements
        self.channels, self.max_l = self.said.num_channels, self.said.l_max
        self.heads = self.said.num_readout_heads
        self.gaunt_messages = self.said.use_gaunt_tp_message_passing
        self.state: dict[str, Tensor] = {}

    def read(self) -> ReadWeights:
        archive, said = self.archive, self.said
        embedding = self._embedding()
        self.state["radial.frequencies"] = mlip.frequencies(self.data, said.num_rbf)
        inputs: Irreps = ("0e",)
        layers = []
        for index in range(said.num_layers):
            last = index == said.num_layers - 1
            layers.append(self._layer(index, inputs, ("0e",) if last else natural(said.symmetry), last))
            inputs = layers[-1].outputs
        archive.finish()
        energies = mlip.references(self.data)
        energies = energies if len(energies) == self.heads else energies[:1].expand(self.heads, -1)
        self.state["table.references"] = energies.clone() if said.add_atomic_energies else torch.zeros_like(energies)
        for ours, value in (("scale", self.data.scaling_stdev), ("shift", self.data.scaling_mean)):
            self.state[f"table.{ours}"] = torch.full((self.heads,), value, dtype=torch.float64)
        coulomb = self.data.long_range_cutoff_angstrom if said.use_coulomb_term else None
        heads = tuple(self._head_names()) if self.heads > 1 else ("default",)
        config = MaceConfig(
            elements=self.elements,
            cutoff=self.data.cutoff,
            max_l=self.max_l,
            heads=heads,
            default_head=heads[0],
            radial=mlip.radial(archive, self.data, said.radial_envelope, said.num_rbf, self.data.avg_r_min_angstrom),
            embedding=embedding,
            layers=tuple(layers),
            charges=Charges(coulomb_cutoff=coulomb) if said.predict_partial_charges else None,
        )
        return ReadWeights(config, self.state, mlip.provenance(archive))

    def _head_names(self) -> list[str]:
        names = self.data.dataset_name
        if isinstance(names, list) and len(names) == len(set(names)) == self.heads:
            return names
        return [str(head) for head in range(self.heads)]

    def _embedding(self) -> Embedding:
        block = "embedding_block#node_embedding_block#"
        species, channels = len(self.elements), self.channels
        if not self.said.use_total_charge_embedding:
            rows = self.archive.take(f"{block}embed#embedding", species, channels)
            self.state["embedding.element"] = rows / species**0.5
            return Embedding()
        values = tuple(sorted(set(self.data.total_charge_set or ())))
        projection = self.archive.take(f"{block}joint_embedding_projection#kernel", 2 * channels, channels)
        elements = self.archive.take(f"{block}species_embedder#embed#embedding", species, channels)
        charges = self.archive.take(f"{block}charge_embedder#embed#embedding", len(values) + 1, channels)
        self.state["embedding.element"] = torch.zeros_like(elements)
        self.state["embedding.joint"] = elements @ projection[:channels] / species**0.5
        self.state["embedding.conditions.0.table"] = charges @ projection[channels:] / len(charges) ** 0.5
        charge = Embedded(condition="charge", classes=len(charges), values=values)
        joint = mlip.activation(self.archive, self.said.embed_activation, normalised=False)
        return Embedding(joint=joint, conditions=(charge,))

    def _layer(self, index: int, inputs: Irreps, outputs: Irreps, last: bool) -> Layer:
        theirs, ours, said = f"layers_{index}#", f"layers.{index}.", self.said
        channels, every = self.channels, mlip.irreps(self.max_l, said.include_pseudotensors)
        messages = tuple(each for each in every if convolution.paths(inputs, self.max_l, (each,)))
        for irrep in inputs:
            self.state[f"{ours}up.weights.{irrep}"] = self._linear(
                f"{theirs}interaction_block#linear_in", irrep, inputs
            )
        self._messages(theirs, ours, inputs, messages, every)
        mixes = index == 0 and not said.residual_connection_first_layer
        if mixes:
            for irrep in every:
                weight = self._by_species(f"{theirs}linear_by_species_block", irrep, every)
                if irrep in messages:  # nothing arrives in the others
                    self.state[f"{ours}mix.weights.{irrep}"] = weight
        else:
            for irrep in set(inputs) & set(outputs):
                self.state[f"{ours}residual.weights.{irrep}"] = self._by_species(
                    f"{theirs}residual_block", irrep, outputs
                )
        block = f"{theirs}expansion_block#"
        contraction = self._contraction(f"{block}symmetric_contraction#", ours, messages, every, outputs)
        if said.gate_nodes:
            size, gates = len(self.elements), len(outputs) * channels
            self.state[f"{ours}node_gates"] = self.archive.take(
                f"{block}species_wise_gate_weights", size, channels, gates
            )
            self.state[f"{ours}node_gate_biases"] = self.archive.take(f"{block}species_wise_gate_bias", size, gates)
        for irrep in outputs:
            self.state[f"{ours}linear.weights.{irrep}"] = self._linear(f"{block}linear_block", irrep, outputs)
        return Layer(
            inputs=inputs,
            input_channels=channels,
            up=inputs,
            up_channels=channels,
            messages=messages,
            channels=channels,
            outputs=outputs,
            radial_mlp=RadialMLP(
                hidden=said.radial_mlp_hidden,
                activation=mlip.activation(self.archive, said.radial_mlp_activation),
            ),
            mix_elements=mixes,
            residual="none" if mixes else "elements",
            contraction=contraction,
            node_gates=said.gate_nodes,
            soft_norm=said.soft_normalization,
            readout=self._readout(index, theirs, last),
        )

    def _messages(self, theirs: str, ours: str, inputs: Irreps, messages: Irreps, every: Irreps) -> None:
        """Radial perceptron and the map behind the convolution; their paths are in our order."""
        block, channels = f"{theirs}interaction_block#", self.channels
        paths = convolution.paths(inputs, self.max_l, messages)
        columns = len(messages) if self.gaunt_messages else len(paths)
        widths = [self.said.num_rbf, *self.said.radial_mlp_hidden, columns * channels]
        weights = [
            self.archive.take(f"{block}radial_mlp#layers_{layer}#kernel", *shape) / shape[0] ** 0.5
            for layer, shape in enumerate(pairwise(widths))
        ]
        if self.gaunt_messages:
            weights[-1] = self._gaunt_columns(block, weights[-1], paths, messages)
        for layer, weight in enumerate(weights):
            self.state[f"{ours}radial.weights.{layer}"] = weight
        for irrep in messages:
            count = sum(path.received == irrep for path in paths)
            theirs_count = 1 if self.gaunt_messages else count
            size = theirs_count * channels
            weight = self.archive.take(f"{block}linear_out#{_name(irrep, every)}", channels, size)
            rows = weight.unflatten(1, (channels, theirs_count)).permute(2, 1, 0)  # their channels go slow, paths fast
            rows = rows.expand(count, -1, -1) / size**0.5 / self.data.avg_num_neighbors
            self.state[f"{ours}down.weights.{irrep}"] = rows.reshape(count * channels, channels)

    def _gaunt_columns(self, block: str, weight: Tensor, paths: list[convolution.Path], messages: Irreps) -> Tensor:
        """Products on the sphere as ordinary paths: one weight an irrep, times the Gaunt coefficient of the path.

        The average over the sphere of a product of three harmonics of norm one is Wigner's symbol times its own entry at
        the pole.
        """
        harmonics = natural(self.max_l)
        scale = {l: self.archive.take(f"{block}linear_proj#{_name(harmonics[l], harmonics)}", self.channels, 1)[:, 0]
                 for l in range(self.max_l + 1)}  # fmt: skip
        columns = weight.unflatten(1, (len(messages), self.channels))
        each = []
        for path in paths:
            each.append(columns[:, messages.index(path.received)] * scale[path.harmonic] * _gaunt(path))
        return torch.stack(each, dim=1).flatten(1)

    def _contraction(
        self, name: str, ours: str, messages: Irreps, every: Irreps, outputs: Irreps
    ) -> Contraction | GauntContraction:
        kind, correlation = self.said.symmetric_contraction_backend, self.said.correlation
        if kind == "gaunt_tp":
            return self._gaunt_contraction(name, ours, messages, outputs)
        if kind not in ("e3j", "e3nn", "e3nn_symmetric"):
            raise UnreadableFile(f"{self.archive.path} has symmetric_contraction_backend={kind!r}, which is not known.")
        terms: list[Coupling] = []
        size = len(self.elements)
        sizes = [2 * degree(irrep) + 1 for irrep in every]
        kept = torch.cat([torch.full((n,), irrep in messages) for n, irrep in zip(sizes, every, strict=True)])
        joint: dict[IrrepName, Tensor] = {}  # weights of all orders side by side
        if kind == "e3j":
            for irrep in outputs:
                array = f"{name}LinearIndexwise_0#{_name(irrep, outputs)}"
                joint[irrep] = self.archive.take(array, size, self.channels, 1, None)
        for order in range(1, correlation + 1):
            if kind == "e3nn_symmetric":
                basis = symmetric_basis(every, order, outputs)
            else:
                basis = full_basis(every, order, outputs, component=kind == "e3nn")
            basis = {irrep: over(kept, tensor, order) for irrep, tensor in basis.items()}
            for irrep, said, tensors in mlip.couplings(basis, order):
                if kind == "e3j":
                    weights = joint[irrep][:, :, 0, : said.paths].transpose(1, 2)
                    joint[irrep] = joint[irrep][..., said.paths :]
                    if weights.shape[1] != said.paths or (order == correlation and joint[irrep].shape[-1]):
                        raise UnreadableFile(f"{self.archive.path}: {name} has a wrong number of weights for {irrep}.")
                else:
                    weights = self.archive.take(f"{name}w{order}_{irrep}", size, said.paths, self.channels)
                for key, tensor in {**tensors, "weights": weights.contiguous()}.items():
                    self.state[f"{ours}contraction.terms.{len(terms)}.{key}"] = tensor
                terms.append(said)
        return Contraction(couplings=tuple(terms))

    def _gaunt_contraction(self, name: str, ours: str, messages: Irreps, outputs: Irreps) -> GauntContraction:
        channels, order = self.channels, self.said.correlation
        for factor in range(order):
            for place, irrep in enumerate(messages):
                array = f"{name}linear_in_{factor}#w[{place},{place}] {channels}x{irrep},{channels}x{irrep}"
                weight = self.archive.take(array, channels, channels) / channels**0.5
                self.state[f"{ours}contraction.factors.{factor}.weights.{irrep}"] = weight
            bias = self.archive.take(f"{name}gaunt_symmetric_contraction_bias_{factor}", channels)
            self.state[f"{ours}contraction.biases.{factor}"] = bias * bool(factor)  # the first one is not used
        for irrep in outputs:
            weight = self.archive.take(f"{name}linear_out#{_name(irrep, outputs)}", len(self.elements), channels, 1, 1)
            self.state[f"{ours}contraction.weights.{irrep}"] = weight[:, :, 0, 0]
        return GauntContraction(order=order)

    def _readout(self, index: int, theirs: str, last: bool) -> Readout:
        targets = 2 if self.said.predict_partial_charges else 1
        hidden = self.said.hidden
        widths = [self.channels, hidden, targets] if last else [self.channels, targets]
        for layer, (rows, columns) in enumerate(pairwise(widths)):
            names = [
                f"{theirs}readout_block#ReadoutBlock_{head}#Linear_{layer}#weight0_0_1" for head in range(self.heads)
            ]
            each = [self.archive.take(name, columns, rows).T / rows**0.5 for name in names]
            self.state[f"readouts.{index}.weights.{layer}"] = torch.stack(each)
        if not last:
            return Readout()
        return Readout(hidden=hidden, activation=mlip.activation(self.archive, self.said.activation))

    def _linear(self, name: str, irrep: IrrepName, among: Irreps) -> Tensor:
        weight = self.archive.take(f"{name}#{_name(irrep, among)}", self.channels, self.channels)
        return weight.T.contiguous() / self.channels**0.5

    def _by_species(self, name: str, irrep: IrrepName, among: Irreps) -> Tensor:
        size = len(self.elements)
        weight = self.archive.take(f"{name}#{_name(irrep, among)}", size, self.channels, self.channels)
        return weight.transpose(1, 2).contiguous() / self.channels**0.5


def _name(irrep: IrrepName, among: Irreps) -> str:
    """``weight<place>_<degree>_<parity>``."""
    return f"weight{sorted(among, key=in_order).index(irrep)}_{degree(irrep)}_{parity(irrep)}"


def _gaunt(path: convolution.Path) -> float:
    """What a product on the sphere has, over what our path has (sqrt(2l+1) times Wigner's symbol)."""
    assert path.received in products(path.sent, natural(path.harmonic)[-1])
    l1, l2, l3 = degree(path.sent), path.harmonic, degree(path.received)
    at_pole = wigner(f"{l1}e", f"{l2}e", f"{l3}e")[l1, l2, l3]  # the middle component is the one along the pole
    return float(at_pole) / (2 * l3 + 1) ** 0.5
