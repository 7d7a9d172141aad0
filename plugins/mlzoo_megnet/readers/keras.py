"""The original MEGNets: a Keras model in HDF5, and a JSON page on its graphs and the scaling of its target.

The names of layers differ from file to file, so everything is found by following the wires: from the output back through
the readout to what it reads (atoms, bonds and state), and from there back through the blocks. Nothing in the file is
executed. Mathematics of the original: github.com/materialsvirtuallab/megnet, version 1.3.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from mlzoo.checksums import sha256
from mlzoo.errors import UnreadableFile
from mlzoo.plugin import ReadWeights
from mlzoo.targets import target_of
from mlzoo_megnet.config import MEGNetConfig, Set2SetReadout
from mlzoo_megnet.readers.keras_layers import dense, forgetful_pool, update
from mlzoo_megnet.readers.keras_network import KerasNetwork, Layer
from mlzoo_megnet.readers.keras_page import Page
from mlzoo_megnet.readers.sniffs import page_of, weights_in

UNTRAINED = 0.05
"""Keras draws an embedding from ±0.05 at first: an element whose row lies in there still was in no training structure."""

KINDS = ("node", "edge", "state")  # in the order in which a MEGNetLayer reads them


def read(path: Path, target: str | None = None) -> ReadWeights:
    """Read an ``.hdf5`` file with the page beside it, or a folder with one such pair; ``target`` names what it predicts.

    Raises :class:`UnreadableFile` for files that are not what they say and for options that are not served, and
    :class:`MissingPackage` without h5py.
    """
    file = weights_in(path)
    assert file is not None  # the sniff saw it
    page, network = Page(page_of(file)), KerasNetwork(file)
    try:
        config, tensors, notices = _converted(file, page, network, target)
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise UnreadableFile(f"{file} is no MEGNet as we know it: {type(error).__name__}: {error}.") from error
    digests = {each.name: sha256(each) for each in (file, page_of(file))}
    state = {f"network.{name}": torch.from_numpy(np.ascontiguousarray(array)) for name, array in tensors.items()}
    return ReadWeights(config, state, {"sha256": digests}, notices)


def _converted(
    file: Path, page: Page, network: KerasNetwork, target: str | None
) -> tuple[MEGNetConfig, dict[str, np.ndarray], tuple[str, ...]]:
    readout, joined = network.dense_before(network[network.output])
    nodes_pool, edges_pool, state = network.fed_by(network.expect(joined, "Concatenate"))
    tops = [network.fed_by(network.expect(pool, "Set2Set"))[0] for pool in (nodes_pool, edges_pool)] + [state]
    updates, perceptrons, bottoms = _blocks(network, tops)
    encoders, inputs = zip(*(network.dense_before(bottom) for bottom in bottoms), strict=True)
    if [*encoders] != perceptrons[0]:
        raise ValueError("its first block is not fed by the encoders")

    rows = network.expect(inputs[0], "Embedding").arrays["embeddings"]  # by atomic number; that of 0 is nobody's
    elements = [z for z in range(1, len(rows)) if np.abs(rows[z]).max() > UNTRAINED]
    labelled, width = inputs[2].kind == "Embedding", encoders[2][0].arrays["kernel"].shape[0]
    states = (
        inputs[2].arrays["embeddings"] if labelled else np.zeros((1, width), np.float32)
    )  # what users had by default
    gaussians, centres = page.gaussians()
    final = readout[-1].settings["activation"]
    tensors = {
        "gaussians.centres": centres,
        "node_embedding.weight": rows[elements],
        "state_embedding.weight": states,
        **forgetful_pool("pool_nodes", nodes_pool),
        **forgetful_pool("pool_edges", edges_pool),
        **dense("readout", readout, last=final if final in ("linear", "sigmoid") else "linear or sigmoid"),
    }
    for kind, chain in zip(KINDS, encoders, strict=True):
        tensors |= dense(f"encoder.{kind}", chain)
    for number, layer in enumerate(updates):
        tensors |= update(f"blocks.{number}.update", layer)
        for kind, chain in zip(KINDS, perceptrons[number] if number else (), strict=bool(number)):
            tensors |= dense(f"blocks.{number}.dense.{kind}", chain)

    said, notices = target_of(file, target or page.name, final == "sigmoid", page.scaling())
    pool = nodes_pool.settings
    config = MEGNetConfig(
        elements=tuple(elements),
        cutoff=page.cutoff,
        gaussians=gaussians,
        node_width=rows.shape[1],
        state_width=width,
        states=tuple(str(number) for number in range(len(states))) if labelled else (),
        encoder=tuple(layer.settings["units"] for layer in encoders[0]),
        update=tuple(updates[0].settings["units_e"]),
        blocks=len(updates),
        set2set=Set2SetReadout(
            steps=pool["T"], width=pool["n_hidden"], memory=False, gates=pool["recurrent_activation"]
        ),
        readout=tuple(layer.settings["units"] for layer in readout[:-1]),
        target=said,
    )
    return config, tensors, notices


def _blocks(network: KerasNetwork, tops: list[Layer]) -> tuple[list[Layer], list[list[list[Layer]]], list[Layer]]:
    """From the last sums of atoms, bonds and state back to what the first block reads.

    The updates of the blocks, first to last; the perceptrons before each, of atoms, bonds and state; what is below.
    """
    updates: list[Layer] = []
    perceptrons: list[list[list[Layer]]] = []
    while tops[0].kind == "Add":
        before, after = zip(*(network.fed_by(network.expect(top, "Add")) for top in tops), strict=True)
        layer = network.expect(after[0], "MEGNetLayer")
        updates.insert(0, layer)
        perceptrons.insert(0, [network.dense_before(each)[0] for each in network.fed_by(layer)[:3]])
        tops = list(before)
    return updates, perceptrons, tops
