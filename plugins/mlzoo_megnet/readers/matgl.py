"""MatGL's MEGNet folders.

A folder records neither the end of an edge where its message is averaged (MatGL changed it with 3.0) nor the name of
what it predicts: both are known from the checksum of ``state.pt``, or from the user.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mlzoo import matgl_folders
from mlzoo.errors import UnreadableFile
from mlzoo.plugin import ReadWeights
from mlzoo.targets import target_of
from mlzoo_megnet.config import GaussianExpansion, MEGNetConfig, Set2SetReadout
from mlzoo_megnet.conventions import CONVENTIONS


@dataclass(frozen=True)
class Published:
    """What is known of published weights besides their files."""

    convention: str
    target: str
    states: tuple[str, ...] = ()


PUBLISHED = {  # by sha256 of state.pt
    "35381368b17a2783f9ee09af5556cf1d84b74bf786b82d3fadd4acb38c51d040": Published(
        "legacy", "formation_energy_per_atom"
    ),  # MEGNet-MP-2018.6.1-Eform
    "2927ab9646ec3e099a3e42b1358a3c477db7356e2413bfa540fe0106cde628f9": Published(
        "legacy", "band_gap", ("pbe", "gllb-sc", "hse", "scan")
    ),  # MEGNet-MP-2019.4.1-BandGap-mfi
}
STATES = "network.state_embedding.weight"
SERVED = {"activation_type": "softplus2", "include_state": True}


def read(path: Path, convention: str | None = None, target: str | None = None) -> ReadWeights:
    """Read a folder; ``convention`` is ``legacy`` (MatGL up to 2.x), ``v3`` or ``v4``, ``target`` what it predicts.

    Raises :class:`UnreadableFile` for a folder whose convention nobody knows, for an option of MatGL's that is not
    served, and for files that are not what they say.
    """
    folder = matgl_folders.read(path)
    folder.require(SERVED)
    known = PUBLISHED.get(folder.sha256["state.pt"])
    convention = convention or (known.convention if known else None)
    if convention is None:
        raise UnreadableFile(
            f"{path} does not say which of MatGL's conventions its weights follow, its state.pt is no published one, and "
            "a wrong guess would give wrong values without an error. Say which MatGL trained it: convention='legacy' "
            "(up to 2.x), 'v3' (3.0 to 4.0) or 'v4' (from 4.1)."
        )
    arguments, count = folder.arguments, folder.arguments["ntypes_state"] or 0
    states = known.states if known else tuple(str(number) for number in range(count))
    try:
        name = target or (known.target if known else None)
        said, notices = target_of(path, name, arguments["is_classification"], folder.scaling)
        config = MEGNetConfig(
            elements=folder.elements,
            cutoff=arguments["cutoff"],
            gaussians=GaussianExpansion(
                last=arguments["cutoff"] + 1,
                count=arguments["dim_edge_embedding"],
                exponent=arguments["gauss_width"],  # MatGL multiplies by what it calls a width
            ),
            node_width=arguments["dim_node_embedding"],
            state_width=arguments["dim_state_embedding"],
            states=states,
            encoder=arguments["hidden_layer_sizes_input"],
            update=arguments["hidden_layer_sizes_conv"],
            activate_update=True,
            blocks=arguments["nblocks"],
            aggregate=CONVENTIONS[convention],
            set2set=Set2SetReadout(steps=arguments["niters_set2set"], layers=arguments["nlayers_set2set"], width=None),
            readout=arguments["hidden_layer_sizes_output"],
            target=said,
        )
    except KeyError as error:
        raise UnreadableFile(
            f"{path / 'model.pt'} lacks the argument {error}: these are no arguments of MEGNet."
        ) from error
    provenance = {"convention": convention, "sha256": dict(folder.sha256)}
    tensors = dict(_translated(folder.state))
    tensors.setdefault(STATES, torch.zeros(1, config.state_width))  # MatGL's state where there is nothing to choose
    return ReadWeights(config, tensors, provenance, notices)


def _translated(state: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Their parameter names in ours."""
    for name, tensor in state.items():
        match name.split(".")[name.startswith("model.") :]:
            case ["bond_expansion", "rbf", "centers"]:
                yield "network.gaussians.centres", tensor
            case ["embedding", ("layer_node_embedding" | "layer_state_embedding") as layer, "weight"]:
                yield f"network.{layer.removeprefix('layer_')}.weight", tensor
            case [("edge_encoder" | "node_encoder" | "state_encoder") as encoder, "layers", layer, kind]:
                yield f"network.encoder.{encoder.removesuffix('_encoder')}.{layer}.{kind}", tensor
            case ["blocks", block, ("edge_func" | "node_func" | "state_func") as dense, "layers", layer, kind]:
                yield f"network.blocks.{block}.dense.{dense.removesuffix('_func')}.{layer}.{kind}", tensor
            case ["blocks", block, "conv", ("edge_func" | "node_func" | "state_func") as update, "layers", layer, kind]:
                yield f"network.blocks.{block}.update.{update.removesuffix('_func')}.{layer}.{kind}", tensor
            case [("edge_s2s" | "node_s2s") as pool, *_, "lstm", parameter]:
                yield f"network.pool_{pool.removesuffix('_s2s')}s.set2set.lstm.{parameter}", tensor
            case ["output_proj", "layers", layer, kind]:
                yield f"network.readout.{layer}.{kind}", tensor
            case _:
                raise UnreadableFile(f"state.pt has the parameter {name}, which MEGNet as we know it does not have.")
