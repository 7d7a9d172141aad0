"""What e3nn's modules compute, from what their pickles say: irreps, activations, linear maps, radial perceptrons."""

from __future__ import annotations

import math
import re
from typing import Any

from torch import Tensor

from mlzoo.inert_pickle import Record, Reference
from mlzoo_mace.config import Activation, Irreps, RadialMLP, degree
from mlzoo_mace.readers.torch_modules import Module, NotUnderstood, is_irreps, said

Tensors = dict[str, Tensor]

FUNCTIONS = {
    **{f"torch.nn.functional.{name}": name for name in ("silu", "relu", "elu", "tanh", "sigmoid")},
    **{f"torch.{name}": name for name in ("relu", "tanh", "sigmoid", "abs")},
}
IRREP = re.compile(r"(?:(\d+)x)?(\d+[eo])")


def irreps(value: object) -> list[tuple[int, str]]:
    """Irreps in order, each with how many there are of it: from e3nn's object, or from a text.

    >>> irreps("16x0e + 1o")
    [(16, '0e'), (1, '1o')]
    """
    if isinstance(value, str):
        parts = [IRREP.fullmatch(part.strip()) for part in value.split("+")]
        found = [(int(part[1] or 1), part[2]) for part in parts if part]
        if len(found) == len(parts):
            return found
    elif isinstance(value, Record) and is_irreps(value):
        found = []
        for part in value.args[0] if value.args else ():  # e3nn's classes are subclasses of tuple
            multiple, irrep = part.args[0]
            l, parity = irrep.args[0]
            found.append((int(multiple), f"{int(l)}{'e' if parity == 1 else 'o'}"))
        return found
    raise NotUnderstood(f"{said(value)} are no irreps")


def uniform(value: object, path: str) -> tuple[Irreps, int]:
    """Irreps that occur once each, all with the same number of channels; and that number."""
    found = irreps(value)
    names, widths = tuple(name for _, name in found), {multiple for multiple, _ in found}
    if len(set(names)) != len(names) or len(widths) != 1:
        written = "+".join(f"{multiple}x{name}" for multiple, name in found)
        raise NotUnderstood(f"{path} is {written}; mlzoo reads irreps that occur once each, all of the same width")
    return names, widths.pop()


def function(value: object, path: str) -> Any:
    """Our name of a function, which the file mentions by its own name or as an attribute of torch's."""
    match value:
        case Record(name="builtins.getattr", args=(Reference(name="torch._C._VariableFunctionsClass"), str() as name)):
            found = f"torch.{name}"
        case _:
            found = said(value)
    if found not in FUNCTIONS:
        raise NotUnderstood(f"{path} uses {found}; mlzoo reads {', '.join(sorted(set(FUNCTIONS.values())))}")
    return FUNCTIONS[found]


def activation(module: Module) -> Activation:
    """A function with the number that e3nn multiplies it by."""
    return Activation(function=function(module.says("f"), module.path), scale=module.says("cst"))


def linear(module: Module) -> dict[tuple[int, int], Tensor]:
    """Matrices (in, out) of a ``Linear``, by the places of its input and output among the irreps."""
    weight = module.tensor("weight")
    found, begin = {}, 0
    for instruction in module.says("instructions"):
        source, target, shape, factor = instruction.args
        if source == -1:
            continue  # a bias
        end = begin + math.prod(shape)
        found[source, target] = weight[begin:end].view(shape) * factor
        begin = end
    if begin != len(weight):
        raise NotUnderstood(f"{module.path} has {len(weight)} weights and uses {begin}")
    return found


def linear_by_irrep(module: Module) -> Tensors:
    """The same, by irrep, where each irrep occurs once on both sides."""
    inputs, outputs = (irreps(module.says(f"irreps_{side}")) for side in ("in", "out"))
    for side in (inputs, outputs):
        if len({name for _, name in side}) != len(side):
            raise NotUnderstood(f"{module.path} has an irrep more than once")
    return {outputs[target][1]: matrix for (_, target), matrix in linear(module).items()}


def scalars(module: Module) -> Tensor:
    """The matrix of a ``Linear`` from scalars to scalars."""
    return linear_by_irrep(module)["0e"]


def by_element(module: Module) -> Tensors:
    """Matrices (elements, in, out) of a tensor product with the one-hot element, by irrep."""
    weight, outputs = module.tensor("weight"), irreps(module.says("irreps_out"))
    found, begin = {}, 0
    for instruction in module.says("instructions"):
        _, _, target, mode, weighted, factor, shape = instruction.args
        if (mode, weighted) != ("uvw", True):
            raise NotUnderstood(f"{module.path} has a path {mode!r}")
        irrep = outputs[target][1]
        end = begin + math.prod(shape)
        # the coupling with a scalar is the identity over sqrt(2l+1)
        matrix = weight[begin:end].view(shape) * factor / math.sqrt(2 * degree(irrep) + 1)
        found[irrep] = matrix.transpose(0, 1).contiguous()
        begin = end
    if begin != len(weight):
        raise NotUnderstood(f"{module.path} has {len(weight)} weights and uses {begin}")
    return found


def perceptron(module: Module) -> tuple[RadialMLP, Tensors]:
    """A ``FullyConnectedNet``: weights over the root of their number of inputs, no biases."""
    layers = [module.child(f"layer{index}", "_Layer") for index in range(len(module.says("hs")) - 1)]
    for layer in layers:
        layer.demand("var_in", 1)
        layer.demand("var_out", 1)
    *hidden, last = layers
    last.demand("act", None)
    activations = {activation(layer.child("act", "normalize2mom")) for layer in hidden} or {Activation()}
    if len(activations) > 1 or last.has("act"):
        raise NotUnderstood(f"{module.path} has other activations in some layers than in others")
    weights = [layer.tensor("weight") for layer in layers]
    state = {f"weights.{index}": weight / math.sqrt(len(weight)) for index, weight in enumerate(weights)}
    widths = tuple(weight.shape[1] for weight in weights[:-1])
    return RadialMLP(hidden=widths, activation=activations.pop()), state


def attentive(module: Module, down: Tensor) -> tuple[RadialMLP, Tensors]:
    """A ``FullyConnectedNet`` of radial functions, then the sender's scalars through ``down`` (C, D), then the receiver's."""
    by, state = perceptron(module)
    first, width = state["weights.0"], down.shape[1]
    basis, sender, receiver = first.split([len(first) - 2 * width, width, width])
    ends = {"sender": down @ sender, "receiver": down @ receiver}
    return by.model_copy(update={"features": True}), {**state, "weights.0": basis.contiguous(), **ends}


def normed_perceptron(module: Module, sender: Tensor, receiver: Tensor) -> tuple[RadialMLP, Tensors]:
    """mace-torch's own ``RadialMLP``: linear map, layer norm, SiLU; the ends' elements (elements, C) behind the radial
    functions."""
    net = module.children("net", "Sequential")
    maps = [each for each in net if each.kind == "Linear"]
    norms = [each for each in net if each.kind == "LayerNorm"]
    expected = ["Linear", *["LayerNorm", "SiLU", "Linear"] * (len(maps) - 1)]
    if [each.kind for each in net] != expected:
        raise NotUnderstood(f"{module.path} is {', '.join(each.kind for each in net)} one after another")
    first = maps[0].tensor("weight").T  # (in, out)
    radial = len(first) - sender.shape[1] - receiver.shape[1]
    parts = first.split([radial, sender.shape[1], receiver.shape[1]])
    state = {"weights.0": parts[0].contiguous(), "sender": sender @ parts[1], "receiver": receiver @ parts[2]}
    state |= {f"weights.{index}": maps[index].tensor("weight").T.contiguous() for index in range(1, len(maps))}
    state |= {f"biases.{index}": each.tensor("bias") for index, each in enumerate(maps)}
    for index, norm in enumerate(norms):
        norm.demand("eps", 1e-5)
        state |= {f"norms.{index}.{part}": norm.tensor(part) for part in ("weight", "bias")}
    widths = tuple(len(each.tensor("bias")) for each in maps[:-1])
    return RadialMLP(hidden=widths, bias=True, layer_norm=bool(norms), elements=True), state


def under(prefix: str, tensors: Tensors) -> Tensors:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}
