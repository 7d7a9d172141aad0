"""A Keras network as it is wired: which layer feeds which, and each layer's arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlzoo.errors import MissingPackage, UnreadableFile

LARGEST = 2**26  # bytes of one array; those of MEGNet have some ten thousand


@dataclass(frozen=True)
class Layer:
    """One layer: its class, its settings, the layers that feed it, its arrays by the last part of their names."""

    name: str
    kind: str
    settings: Mapping[str, Any]
    inputs: tuple[str, ...]
    arrays: Mapping[str, np.ndarray]


class KerasNetwork:
    """The layers of a file by name. Raises :class:`UnreadableFile` for a file that is no Keras model."""

    def __init__(self, path: Path):
        self.path = path
        try:
            import h5py
        except ImportError:
            raise MissingPackage(
                f"{path} is an HDF5 file, which is read with h5py. Install it with `pip install mlzoo[convert]`."
            ) from None
        try:
            with h5py.File(path, "r") as file:
                said = json.loads(file.attrs["model_config"])["config"]
                self.layers = {layer["name"]: self._layer(layer, file["model_weights"]) for layer in said["layers"]}
                (self.output,) = (name for name, *_ in said["output_layers"])
        except (KeyError, ValueError, TypeError, OSError, RuntimeError, IndexError) as error:
            raise UnreadableFile(f"{path} is no Keras model that can be read: {error}. Fetch it again.") from error

    def _layer(self, said: Mapping[str, Any], weights: Any) -> Layer:
        name = said["name"]
        wires = said["inbound_nodes"][0] if said["inbound_nodes"] else ()
        found = weights.get(name, {})
        arrays = {}
        for full in found.attrs["weight_names"] if found else ():
            label = full.decode() if isinstance(full, bytes) else full
            data = found[label]
            if data.dtype != np.float32 or data.nbytes > LARGEST or data.external or data.is_virtual:
                raise ValueError(f"{label} is {data.dtype} of {data.nbytes} bytes, or lies in another file")
            arrays[label.rpartition("/")[2].removesuffix(":0")] = data[()]
        return Layer(name, said["class_name"], said["config"], tuple(wire[0] for wire in wires), arrays)

    def fed_by(self, layer: Layer) -> list[Layer]:
        """What feeds it, in order; layers that do nothing outside training are passed over."""
        return [self._source(name) for name in layer.inputs]

    def _source(self, name: str) -> Layer:
        layer = self[name]
        while layer.kind in ("Dropout", "Activation") and layer.settings.get("activation", "linear") == "linear":
            layer = self[layer.inputs[0]]
        return layer

    def __getitem__(self, name: str) -> Layer:
        if name not in self.layers:
            raise UnreadableFile(f"{self.path} names a layer {name} that it does not have. Fetch it again.")
        return self.layers[name]

    def expect(self, layer: Layer, kind: str) -> Layer:
        if layer.kind != kind:
            raise UnreadableFile(
                f"{self.path} has a {layer.kind} ({layer.name}) where a MEGNet has a {kind}. It is another network."
            )
        return layer

    def dense_before(self, layer: Layer) -> tuple[list[Layer], Layer]:
        """The chain of dense layers that ends with this one, first to last, and what feeds the chain."""
        chain: list[Layer] = []
        while layer.kind == "Dense" and len(chain) < len(self.layers):
            chain.append(layer)
            (layer,) = self.fed_by(layer)
        return chain[::-1], layer
