"""The original MEGNets: a Keras model in HDF5, and a JSON page on its graphs and the scaling of its target.

The names of layers differ from file to file, so everything is found by following the wires: from the output back through
the readout to what it reads (atoms, bonds and state), and from there back through the blocks. Nothing in the file is
executed. Mathematics of the original: github.com/materialsvirtuallab/megnet, version 1.3.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mlzoo.checksums import sha256
from mlzoo.errors import UnreadableFile
from mlzoo.plugin import ReadWeights
from mlzoo.targets import Target, named
from mlzoo_megnet.config import GaussianExpansion, MEGNetConfig, Set2SetReadout
from mlzoo_megnet.readers.keras_layers import dense, forgetful_pool, update
from mlzoo_megnet.readers.keras_network import KerasNetwork
from mlzoo_megnet.readers.sniffs import page_of, weights_in

NAMES = {  # on the page -> ours
    "Formation energy": "formation_energy_per_atom",
    "Band gap regressor": "band_gap",
    "Band gap classifier": "has_band_gap",
    "Fermi energy": "fermi_energy",
    "log10 of bulk moduli": "log10_bulk_modulus",
    "log10 of shear moduli": "log10_shear_modulus",
}
ALL_WITHIN_THE_CUTOFF = (None, "MinimumDistanceNNAll")  # ways of choosing neighbours


def read(path: Path, target: str | None = None) -> ReadWeights:
    """Read an ``.hdf5`` file with the page beside it, or a folder with one such pair; ``target`` names what it predicts.

    Raises :class:`UnreadableFile` for files that are not what they say and for options that are not served, and
    :class:`MissingPackage` without h5py.
    """
    file = weights_in(path)
    assert file is not None  # the sniff saw it
    page = _page(page_of(file))
    network = KerasNetwork(file)
    try:
        return _read(file, page, network, target)
    except (KeyError, ValueError, TypeError) as error:
        raise UnreadableFile(f"{file} is no MEGNet as we know it: {type(error).__name__}: {error}.") from error


def _read(file: Path, page: Mapping[str, Any], network: KerasNetwork, target: str | None) -> ReadWeights:
    readout, joined = network.dense_before(network[network.output])
    nodes_pool, edges_pool, state = network.fed_by(network.expect(joined, "Concatenate"))
    tops = [network.fed_by(network.expect(pool, "Set2Set"))[0] for pool in (nodes_pool, edges_pool)] + [state]
    blocks = []  # from the last to the first
    while tops[0].kind == "Add":
        before, after = zip(*(network.fed_by(network.expect(top, "Add")) for top in tops), strict=True)
        convolution = network.expect(after[0], "MEGNetLayer")
        perceptrons = [network.dense_before(layer)[0] for layer in network.fed_by(convolution)[:3]]
        blocks.append((convolution, perceptrons))
        tops = list(before)
    encoders, inputs = zip(*(network.dense_before(top) for top in tops), strict=True)
    if [*encoders] != blocks[-1][1]:
        raise ValueError("its first block is not fed by the encoders")
    embedding = network.expect(inputs[0], "Embedding")
    labelled = inputs[2].kind == "Embedding"
    width = encoders[2][0].arrays["kernel"].shape[0]
    states = (
        inputs[2].arrays["embeddings"] if labelled else np.zeros((1, width), np.float32)
    )  # what users had by default

    elements = embedding.arrays["embeddings"][1:]  # row 0 belongs to no element
    tensors = {"node_embedding.weight": elements, "state_embedding.weight": states}
    for kind, chain in zip(("node", "edge", "state"), encoders, strict=True):
        tensors |= dense(f"encoder.{kind}", chain)
    for number, (convolution, perceptrons) in enumerate(reversed(blocks)):
        tensors |= update(f"blocks.{number}.update", convolution)
        for kind, chain in zip(("node", "edge", "state"), perceptrons if number else (), strict=bool(number)):
            tensors |= dense(f"blocks.{number}.dense.{kind}", chain)
    tensors |= forgetful_pool("pool_nodes", nodes_pool) | forgetful_pool("pool_edges", edges_pool)
    tensors |= dense("readout", readout, last="linear" if readout[-1].settings["activation"] == "linear" else "sigmoid")
    gaussians, centres = _gaussians(page)
    tensors["gaussians.centres"] = centres

    name, notices = named(target or NAMES.get(page.get("metadata", {}).get("name")))
    settings = nodes_pool.settings
    config = MEGNetConfig(
        elements=tuple(range(1, len(elements) + 1)),
        cutoff=_converter(page)["cutoff"],
        gaussians=gaussians,
        node_width=elements.shape[1],
        state_width=width,
        states=tuple(str(number) for number in range(len(states))) if labelled else (),
        encoder=tuple(layer.settings["units"] for layer in encoders[0]),
        update=tuple(blocks[0][0].settings["units_e"]),
        blocks=len(blocks),
        set2set=Set2SetReadout(
            steps=settings["T"],
            width=settings["n_hidden"],
            memory=False,
            gates=settings["recurrent_activation"],
        ),
        readout=tuple(layer.settings["units"] for layer in readout[:-1]),
        target=Target(**name, classification=readout[-1].settings["activation"] == "sigmoid", **_scaling(page)),  # type: ignore[arg-type]
    )
    digests = {each.name: sha256(each) for each in (file, page_of(file))}
    state_dict: dict[str, Tensor] = {
        f"network.{key}": torch.from_numpy(np.ascontiguousarray(array)) for key, array in tensors.items()
    }
    return ReadWeights(config, state_dict, {"sha256": digests}, notices)


def _page(path: Path) -> Mapping[str, Any]:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise UnreadableFile(f"{path} is no JSON page of a MEGNet: {error}. Fetch it again.") from error
    if not isinstance(said, dict):
        raise UnreadableFile(f"{path} holds a {type(said).__name__}, not the page of a MEGNet. Fetch it again.")
    return said


def _converter(page: Mapping[str, Any], name: str = "graph") -> Mapping[str, Any]:
    """Early files write "convertor"."""
    return page[f"{name}_converter"] if f"{name}_converter" in page else page[f"{name}_convertor"]


def _gaussians(page: Mapping[str, Any]) -> tuple[GaussianExpansion, np.ndarray]:
    graph = _converter(page)
    atoms, bonds = _converter(graph, "atom"), _converter(graph, "bond")
    if graph["@class"] != "CrystalGraph" or atoms["@class"] not in ("DummyConverter", "DummyConvertor"):
        raise ValueError(f"graphs of class {graph['@class']} with atoms from {atoms['@class']} are not served")
    if (graph.get("nn_strategy") or {}).get("@class") not in ALL_WITHIN_THE_CUTOFF:
        raise ValueError(f"neighbours by {graph['nn_strategy']['@class']} are not served")
    if bonds["@class"] != "GaussianDistance":
        raise ValueError(f"bonds from {bonds['@class']} are not served")
    centres = np.array(bonds["centers"]["data"])
    if not np.allclose(centres, np.linspace(0, centres[-1], len(centres)), rtol=0, atol=1e-6):
        raise ValueError("centres of Gaussians that are not equidistant from 0 on are not served")
    expansion = GaussianExpansion(last=centres[-1], count=len(centres), exponent=1 / bonds["width"] ** 2)
    return expansion, centres.astype(np.float32)


def _scaling(page: Mapping[str, Any]) -> dict[str, float]:
    scaler = page.get("target_scaler") or {"@class": "DummyScaler"}
    if scaler["@class"] == "DummyScaler":
        return {}
    if scaler["@class"] != "StandardScaler" or not scaler.get("is_intensive", True):
        raise ValueError(f"a target scaled by {scaler} is not served")
    return {"mean": scaler["mean"], "std": scaler["std"]}
