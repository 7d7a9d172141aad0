"""mace-torch's interaction blocks, with the products behind them, as our layers: config and tensors.

All factors are in the tensors: those of e3nn's maps, the average number of neighbours, signs of 3j symbols.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch

from mlzoo_mace.config import (
    Activation,
    Gate,
    IrrepName,
    Irreps,
    Layer,
    RadialMLP,
    Readout,
    TensorReadout,
    degree,
    natural,
)
from mlzoo_mace.convolution import Path, paths
from mlzoo_mace.readers.e3nn_maps import (
    Tensors,
    attentive,
    by_element,
    function,
    irreps,
    linear,
    linear_by_irrep,
    normed_perceptron,
    perceptron,
    scalars,
    under,
    uniform,
)
from mlzoo_mace.readers.mace_torch_products import read_contraction
from mlzoo_mace.readers.torch_modules import Module, NotUnderstood

MIXES = ("RealAgnosticInteractionBlock", "RealAgnosticDensityInteractionBlock")
KEEPS = ("RealAgnosticResidualInteractionBlock", "RealAgnosticDensityResidualInteractionBlock")
ATTENDS = "RealAgnosticAttResidualInteractionBlock"
GATES = "RealAgnosticResidualNonLinearInteractionBlock"
COUNTS = ("RealAgnosticDensityInteractionBlock", "RealAgnosticDensityResidualInteractionBlock", GATES)
INTERACTIONS = (*MIXES, *KEEPS, ATTENDS, GATES)
SKIPS = {ATTENDS: "skip_linear", GATES: "skip_tp"}  # linear maps; those of the others are of the element

# degrees, in any order, whose 3j symbols in e3nn 0.4.4, to which mace-torch is pinned, are minus ours; compared up to 6
OTHER_SIGN = frozenset(
    [(1, 2, 2), (1, 3, 3), (1, 4, 4), (1, 5, 5), (1, 6, 6), (3, 4, 6), (4, 4, 5), (4, 5, 6), (5, 5, 5), (5, 6, 6)]
)


def read_layer(
    interaction: Module,
    product: Module,
    readout: Readout | None,
    tensor_readouts: dict[IrrepName, TensorReadout],
    elements: int,
    given: Irreps,
) -> tuple[Layer, Tensors]:
    """One layer, and its tensors by their names in it. Of what it takes only those irreps count that are ``given``."""
    kind = interaction.kind
    if kind not in INTERACTIONS:
        raise NotUnderstood(f"{interaction.path} is of the class {kind}; mlzoo reads {', '.join(INTERACTIONS)}")
    taken, input_channels = _irreps(interaction, "node_feats_irreps")
    inputs = tuple(irrep for irrep in taken if irrep in given)
    targets, channels = _irreps(interaction, "target_irreps")
    lifting = linear_by_irrep(interaction.child("linear_up", "Linear"))  # what is missing in it is zero
    lifting = {irrep: matrix for irrep, matrix in lifting.items() if irrep in inputs}
    up, up_channels = tuple(lifting), lifting["0e"].shape[1]
    convolution = _Convolution(interaction.child("conv_tp", "TensorProduct"), up, targets)
    messages = convolution.messages
    state = under("up.weights", lifting)

    net = _perceptrons(interaction)
    radial, radial_state = net("conv_tp_weights")
    state |= under("radial", convolution.ordered(radial_state, len(radial.hidden), up_channels))
    density, gate = None, None
    if kind in COUNTS:
        density, density_state = net("density_fn")
        one = torch.ones((), dtype=torch.float64)
        state |= under("density", density_state) | {"density_constant": one, "density_slope": one.clone()}
    widths = dict.fromkeys(targets, channels)
    if kind == GATES:
        widths["0e"] = channels * len(targets)
        gate, gate_state = _gate(interaction, up, targets, channels)
        state |= gate_state
    fold = 1.0 if kind in COUNTS else 1 / float(interaction.says("avg_num_neighbors"))
    gather = interaction.child("linear_1" if kind == GATES else "linear", "Linear")
    state |= under("down.weights", convolution.gathered(gather, (up_channels, widths), fold))

    residual: Literal["none", "elements", "linear"] = "linear" if kind in SKIPS else "elements"
    if kind in SKIPS:
        skipped = linear_by_irrep(interaction.child(SKIPS[kind], "Linear"))
    else:
        skipped = by_element(interaction.child("skip_tp", "FullyConnectedTensorProduct"))
    if not product.says("use_sc") or kind in MIXES:  # these keep nothing that could be added
        residual = "none"
    outputs, contraction, contraction_state = read_contraction(product, (targets, messages), channels, elements)
    state |= under("contraction.terms", contraction_state)
    linear_out = linear_by_irrep(product.child("linear", "Linear"))
    state |= under("linear.weights", {irrep: linear_out[irrep] for irrep in outputs})
    if kind in MIXES:
        state |= under("mix.weights", {irrep: skipped[irrep] for irrep in messages})
    elif residual != "none":
        kept = {irrep: matrix for irrep, matrix in skipped.items() if irrep in inputs}
        if not kept.keys() <= set(outputs):
            lost = sorted(kept.keys() - set(outputs))
            raise NotUnderstood(f"{product.path} couples nothing to {', '.join(lost)}, which a residual goes to")
        state |= under("residual.weights", kept)

    square = (channels, channels)
    _check(interaction.path, state, "up.weights", (input_channels, up_channels))
    _check(interaction.path, state, "mix.weights", (elements, *square))
    _check(interaction.path, state, "after_gate.weights", square)
    _check(interaction.path, state, "linear.weights", square)
    kinds = (elements,) if residual == "elements" else ()
    _check(interaction.path, state, "residual.weights", (*kinds, input_channels, channels))
    layer = Layer(
        inputs=inputs,
        input_channels=input_channels,
        up=up,
        up_channels=up_channels,
        messages=messages,
        channels=channels,
        outputs=outputs,
        radial_mlp=radial,
        density=density,
        gate=gate,
        mix_elements=kind in MIXES,
        residual=residual,
        contraction=contraction,
        readout=readout,
        tensor_readouts=tensor_readouts,
    )
    return layer, state


def _check(path: str, state: Tensors, prefix: str, shape: tuple[int, ...]) -> None:
    """A width that only an attribute claims must not reach the network, which would take memory for it."""
    for name, tensor in state.items():
        if name.startswith(f"{prefix}.") and tuple(tensor.shape) != shape:
            raise NotUnderstood(f"{path} has {name} of {tuple(tensor.shape)} where its irreps say {shape}")


def _perceptrons(interaction: Module) -> Callable[[str], tuple[RadialMLP, Tensors]]:
    """Reads a radial perceptron of an interaction by its name."""
    if interaction.kind == ATTENDS:
        down = scalars(interaction.child("linear_down", "Linear"))
        return lambda name: attentive(interaction.child(name, "FullyConnectedNet"), down)
    if interaction.kind != GATES:
        return lambda name: perceptron(interaction.child(name, "FullyConnectedNet"))
    ends = [scalars(interaction.child(f"{end}_embedding", "Linear")) for end in ("source", "target")]
    return lambda name: normed_perceptron(interaction.child(name, "RadialMLP"), *ends)


def _irreps(interaction: Module, name: str) -> tuple[Irreps, int]:
    return uniform(interaction.says(name), interaction.at(name))


class _Convolution:
    """The paths of a tensor product in the file's order, against ours; ``messages`` are those targets that any leads to."""

    def __init__(self, product: Module, up: Irreps, targets: Irreps):
        sent, harmonics, received = (irreps(product.says(f"irreps_{each}")) for each in ("in1", "in2", "out"))
        self.max_l = len(harmonics) - 1
        inversion = harmonics == [(1, irrep) for irrep in natural(self.max_l)]
        if not inversion and harmonics != [(1, irrep) for irrep in natural(self.max_l, inversion=False)]:
            raise NotUnderstood(f"{product.at('irreps_in2')} are no spherical harmonics in order")
        self.targets, self.up = targets, up
        self.place: dict[Path, int] = {}  # of its weights
        self.slot: dict[Path, int] = {}  # of its output
        self.factor: dict[Path, float] = {}
        for place, instruction in enumerate(product.says("instructions")):
            source, l, slot, mode, weighted, factor, _ = instruction.args
            path = Path(sent[source][1], l, received[slot][1])
            if (mode, weighted) != ("uvu", True) or path in self.place:
                raise NotUnderstood(f"{product.path} has a path {mode!r} from {path.sent} to {path.received}")
            degrees = sorted((degree(path.sent), l, degree(path.received)))
            sign = -1 if tuple(degrees) in OTHER_SIGN else 1
            self.place[path], self.slot[path] = place, slot
            self.factor[path] = sign * factor / math.sqrt(2 * degree(path.received) + 1)
        self.paths = paths(up, self.max_l, targets, inversion)
        self.messages = tuple(dict.fromkeys(path.received for path in self.paths))
        if set(self.paths) != {path for path in self.place if path.sent in up}:
            raise NotUnderstood(f"{product.path} does not have all paths that its irreps allow, or has others")

    def gathered(self, module: Module, widths: tuple[int, dict[IrrepName, int]], fold: float) -> Tensors:
        """The map behind the sum over neighbours, one path's rows after another's; widths of both its sides."""
        matrices = linear(module)
        outputs = irreps(module.says("irreps_out"))
        up_channels, out = widths
        if outputs != [(out[irrep], irrep) for irrep in self.targets]:
            raise NotUnderstood(f"{module.path} does not give what the next step takes")
        found = {}
        for irrep in self.messages:
            place = self.targets.index(irrep)
            rows = {path: matrices[self.slot[path], place] for path in self.paths if path.received == irrep}
            _check(
                module.path,
                under("rows", {str(path): row for path, row in rows.items()}),
                "rows",
                (up_channels, out[irrep]),
            )
            found[irrep] = torch.cat([row * (self.factor[path] * fold) for path, row in rows.items()])
        return found

    def ordered(self, state: Tensors, last: int, up_channels: int) -> Tensors:
        """A radial perceptron whose outputs stand in our order of paths."""
        places = torch.tensor([self.place[path] for path in self.paths])
        split = (len(self.place), up_channels)
        names = [name for name in (f"weights.{last}", f"biases.{last}") if name in state]
        return state | {name: state[name].unflatten(-1, split).index_select(-2, places).flatten(-2) for name in names}


def _gate(interaction: Module, up: Irreps, targets: Irreps, channels: int) -> tuple[Gate, Tensors]:
    module = interaction.child("equivariant_nonlin", "GatedEquivariantBlock")
    module.demand("_layout_is_ir_mul", False)
    module.demand("_s_start", 0)
    module.demand("_g_start", channels)
    if targets[0] != "0e" or "0o" in targets:
        raise NotUnderstood(
            f"{module.path} is a gate on {'+'.join(targets)}; mlzoo reads one whose only scalars are 0e"
        )
    by = {
        part: Activation(function=function(module.says(f"_act_{part}"), module.path), scale=module.says(f"_{part}_cst"))
        for part in ("scalar", "gate")
    }
    own = linear_by_irrep(interaction.child("linear_res", "Linear"))
    state = under("from_self.weights", {irrep: own[irrep] for irrep in up if irrep in own})
    state |= under("after_gate.weights", linear_by_irrep(interaction.child("linear_2", "Linear")))
    state |= {"density_constant": interaction.tensor("alpha"), "density_slope": interaction.tensor("beta")}
    return Gate(scalars=by["scalar"], gates=by["gate"]), state
