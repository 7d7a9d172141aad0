"""The arrays of Keras layers under our names; Keras multiplies rows by kernels, so those are transposed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mlzoo_megnet.readers.keras_network import Layer

Arrays = dict[str, np.ndarray]


def dense(ours: str, chain: Sequence[Layer], last: str = "softplus2") -> Arrays:
    """A perceptron; all its activations are softplus2, but for the last one where said."""
    arrays: Arrays = {}
    for number, layer in enumerate(chain):
        expected = last if number == len(chain) - 1 else "softplus2"
        if layer.settings["activation"] != expected:
            raise ValueError(f"{layer.name} has activation {layer.settings['activation']!r}; {expected!r} is served")
        arrays[f"{ours}.{2 * number}.weight"] = layer.arrays["kernel"].T
        arrays[f"{ours}.{2 * number}.bias"] = layer.arrays["bias"]
    return arrays


def update(ours: str, layer: Layer) -> Arrays:
    """The three updates of a block, their inputs in our order: atom then bonds, state then bonds then atoms."""
    said = layer.settings
    if said["activation"] != "softplus2" or said["pool_method"] != "mean" or not said["use_bias"]:
        raise ValueError(f"{layer.name}: only softplus2, means and biases are served, not {said}")
    if not said["units_e"] == said["units_v"] == said["units_u"]:
        raise ValueError(f"{layer.name} has other widths for atoms than for bonds or the state")
    out = said["units_e"][-1]
    arrays: Arrays = {}
    for kind, letter in (("edge", "e"), ("node", "v"), ("state", "u")):
        for number in range(len(said["units_e"])):
            weight = layer.arrays[f"weight_{letter}_{number}"].T
            if number == 0:
                weight = _reordered(kind, weight, out)
            arrays[f"{ours}.{kind}.{2 * number}.weight"] = weight
            arrays[f"{ours}.{kind}.{2 * number}.bias"] = layer.arrays[f"bias_{letter}_{number}"]
    return arrays


def _reordered(kind: str, weight: np.ndarray, out: int) -> np.ndarray:
    """Theirs: [bonds, atom, state] for atoms and [bonds, atoms, state] for the state."""
    if kind == "edge":
        return weight
    if kind == "node":
        bonds, atom, state = np.split(weight, [out, (weight.shape[1] + out) // 2], axis=1)
        return np.concatenate([atom, bonds, state], axis=1)
    both, state = np.split(weight, [2 * out], axis=1)
    return np.concatenate([state, both], axis=1)


def forgetful_pool(ours: str, layer: Layer) -> Arrays:
    """A Set2Set whose LSTM starts every step with an empty cell: what its forget gate does is lost, and left out."""
    said: Mapping[str, object] = layer.settings
    for name, served in (("activation_lstm", "tanh"), ("use_bias", True)):
        if said[name] != served:
            raise ValueError(f"{layer.name} has {name}={said[name]!r}; {served!r} is served")
    kernel = np.split(layer.arrays["recurrent_kernel"], 4, axis=1)  # gates i, f, c, o
    bias = np.split(layer.arrays["recurrent_bias"], 4)
    return {
        f"{ours}.projection.weight": layer.arrays["x_to_m_weight"].T,
        f"{ours}.projection.bias": layer.arrays["x_to_m_bias"],
        f"{ours}.set2set.lstm.gates.weight": np.concatenate([kernel[0], kernel[2], kernel[3]], axis=1).T,
        f"{ours}.set2set.lstm.gates.bias": np.concatenate([bias[0], bias[2], bias[3]]),
    }
