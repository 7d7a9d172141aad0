"""MatGL's M3GNet folders: ``model.json``, ``model.pt`` (constructor arguments), ``state.pt`` (tensors).

Format and conventions were read from MatGL 2.0.6 to 4.1.2. A folder does not record which of three conventions its
weights follow, so that is known from the checksum of ``state.pt``, from the Hub repository, or from the user.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from pydantic import ValidationError
from torch import Tensor

from mlzoo import matgl_folders
from mlzoo.errors import UnreadableFile
from mlzoo.matgl_folders import Folder
from mlzoo.plugin import ReadWeights
from mlzoo.targets import target_of
from mlzoo_m3gnet.config import (
    CONVENTIONS,
    EnergyReadout,
    M3GNetConfig,
    MeanReadout,
    PropertyReadout,
    Set2SetReadout,
    WeightedMeanReadout,
)

TRAINED_AS = {  # sha256 of state.pt -> convention of the code that trained it
    "4efa3b11dfb1f6c6d0ae562e470e617ebf0aae23749381a097e39dbe6738a304": "legacy",  # M3GNet-ANI-1x-Subset-PES
    "166d4dba4aadbc5feb27e8aa047145facbcdadb9c5de067768e00515be3b3c1f": "legacy",  # M3GNet-MP-2018.6.1-Eform
    "a9aa723705bd1a242ec8749332f137811c4a94e17995a564f8f94a9aca68061b": "legacy",  # M3GNet-MP-2021.2.8-PES
    "9f710eac88ec2c666c8e488883c59768cf11c116f177e9d82896ae56f3fc338d": "legacy",  # M3GNet-MatPES-PBE-v2025.1-PES
    "b9b3234afc655b282c7930ff32cb5a5f98edde4a93475b0d4605b59c161fe483": "legacy",  # M3GNet-MatPES-r2SCAN-v2025.1-PES
    "6dbaaeb1d62dfea9d869f10f22dab6bb194b212c9d92807e939379367fe31931": "legacy",  # M3GNet-r2SCAN-NaBH
}
TRAINED_AS_BY_REPOSITORY = {  # Hub repository -> the same, where no file has been seen
    "materialyze/M3GNet-PES-ANI-1x-Subset": "legacy",
    "materialyze/M3GNet-PES-MatPES-PBE-2025.2": "v3",
}
REPAIRED = {"legacy": "dstfix", "v3": "v4"}
"""What is loaded for weights trained with pruned triplets: the same network with the right ones."""

PREDICTS = {  # sha256 of state.pt -> what a model of a property predicts
    "166d4dba4aadbc5feb27e8aa047145facbcdadb9c5de067768e00515be3b3c1f": "formation_energy_per_atom",
}
PREDICTS_BY_REPOSITORY = {"materialyze/M3GNet-Eform-MP-2019.4.1": "formation_energy_per_atom"}

SERVED = {
    "rbf_type": "SphericalBessel",
    "use_phi": False,
    "include_state": False,
    "activation_type": "swish",
    "field": "node_feat",
    "ntargets": 1,
}
OF_POTENTIALS = ("data_mean", "data_std", "element_refs.property_offset", "element_refs.onehot")
"""Tensors of what MatGL puts around an energy model; the last is the identity matrix."""


def read(path: Path, convention: str | None = None, target: str | None = None) -> ReadWeights:
    """Read a folder; ``convention`` is ``legacy``, ``dstfix``, ``v3`` or ``v4``, ``target`` what it predicts.

    Raises :class:`UnreadableFile` for a folder whose convention nobody knows, for an option of MatGL's that is not
    served, and for files that are not what they say.
    """
    folder = matgl_folders.read(path)
    convention, notices = _convention(path, folder.sha256["state.pt"], convention)
    folder.require(SERVED)
    try:
        readout, told = _readout(folder, convention, target)
        config = _config(folder, convention, readout)
    except KeyError as error:
        raise UnreadableFile(
            f"{path / 'model.pt'} lacks the argument {error}: these are no arguments of M3GNet."
        ) from error
    except ValidationError as error:
        raise UnreadableFile(f"{path} is no M3GNet as we know it: {error}") from error
    translated = dict(_translated(folder.state))
    if isinstance(readout, EnergyReadout):
        references = folder.state.get("element_refs.property_offset", torch.zeros(len(config.elements)))
        translated["references.energies"] = references.double()
    provenance = {"convention": convention, "sha256": dict(folder.sha256)}
    return ReadWeights(config, translated, provenance, (*notices, *told))


def _config(folder: Folder, convention: str, readout: EnergyReadout | PropertyReadout) -> M3GNetConfig:
    arguments = folder.arguments
    return M3GNetConfig(
        elements=folder.elements,
        cutoff=arguments["cutoff"],
        threebody_cutoff=arguments["threebody_cutoff"],
        radial_basis="smooth" if arguments["use_smooth"] else "bessel",
        max_n=arguments["max_n"],
        max_l=arguments["max_l"],
        node_width=arguments["dim_node_embedding"],
        edge_width=arguments["dim_edge_embedding"],
        hidden_width=arguments["units"],
        blocks=arguments["nblocks"],
        readout=readout,
        **CONVENTIONS[convention],  # type: ignore[arg-type]
    )


def _convention(path: Path, digest: str, chosen: str | None) -> tuple[str, tuple[str, ...]]:
    """The convention to load with, and what to tell the user about it."""
    if chosen is not None:
        return chosen, ()
    trained = TRAINED_AS.get(digest) or TRAINED_AS_BY_REPOSITORY.get(matgl_folders.hub_repository(path))
    if trained is None:
        raise UnreadableFile(
            f"{path} does not say which of MatGL's conventions its weights follow, its state.pt (sha256 {digest[:12]}...) "
            "is no published one, and a wrong guess would give wrong energies without an error. Say which MatGL trained it: "
            "convention='legacy' (up to 2.x; 'dstfix' for its repaired form), 'v3' (3.0 to 4.0) or 'v4' (from 4.1)."
        )
    repaired = REPAIRED.get(trained, trained)
    notice = (
        f"trained with MatGL's {trained!r} convention, whose three-body indices depend on the order of the "
        f"neighbour list; loaded as {repaired!r}, the same network with the right indices. "
        f"Pass convention={trained!r} for the original numbers."
    )
    return repaired, (notice,) if repaired != trained else ()


def _readout(
    folder: Folder, convention: str, target: str | None
) -> tuple[EnergyReadout | PropertyReadout, tuple[str, ...]]:
    """The readout, and what the user should hear of it."""
    arguments, kind = folder.arguments, folder.arguments["readout_type"]
    if not arguments["is_intensive"]:
        if target is not None:
            raise UnreadableFile(f"{folder.path} predicts an energy: leave out target={target!r}.")
        return _energy_readout(folder), ()
    known = PREDICTS.get(folder.sha256["state.pt"])
    known = known or PREDICTS_BY_REPOSITORY.get(matgl_folders.hub_repository(folder.path))
    classification = arguments["task_type"] == "classification"
    predicted, told = target_of(folder.path, target or known, classification, folder.scaling)
    if kind == "set2set":
        steps, layers = arguments["niters_set2set"], arguments["nlayers_set2set"]
        return Set2SetReadout(steps=steps, layers=layers, target=predicted), told
    summed = any("readout.weight.0." in name for name in folder.state)  # one layer makes the weights, and later two
    if kind == "weighted_atom" and (summed or convention in ("legacy", "dstfix")):
        raise UnreadableFile(
            f"{folder.path} has readout_type='weighted_atom' as MatGL had it up to 3.0: a sum over the atoms, which grows "
            "with the cell and is no property of a material. Only the mean that MatGL 4 has by that name is supported, "
            "with convention='v3' or 'v4'."
        )
    if kind not in ("weighted_atom", "reduce_atom"):
        raise UnreadableFile(f"{folder.path} has readout_type={kind!r}, which is not supported. Please open an issue.")
    return (WeightedMeanReadout if kind == "weighted_atom" else MeanReadout)(target=predicted), told


def _energy_readout(folder: Folder) -> EnergyReadout:
    kind, mean = folder.arguments["readout_type"], float(folder.state.get("data_mean", 0))
    if kind != "weighted_atom":
        raise UnreadableFile(f"{folder.path} has readout_type={kind!r}, which no energy model has.")
    if mean != 0:
        raise UnreadableFile(f"{folder.path} adds data_mean={mean} eV to every structure whatever its size.")
    return EnergyReadout(scale=float(folder.state.get("data_std", 1)))


def _translated(state: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Their parameter names and shapes in ours; buffers that follow from the config are left out."""
    for name, tensor in state.items():
        if name in OF_POTENTIALS or name.endswith(".cutoff"):
            continue
        match name.split(".")[name.startswith("model.") :]:
            case ["embedding", "layer_node_embedding", "weight"]:
                yield "representation.node_embedding.weight", tensor
            case ["embedding", "layer_edge_embedding", "layers", layer, kind]:
                yield f"representation.edge_embedding.{layer}.{kind}", tensor
            case ["three_body_interactions", block, "update_network_atom", "layers", "0", kind]:
                yield f"representation.blocks.{block}.threebody.gate.{kind}", tensor
            case ["three_body_interactions", block, "update_network_bond", *rest]:
                yield from _gated(f"representation.blocks.{block}.threebody.update", name, rest, state)
            case ["graph_layers", block, "conv", ("edge_update_func" | "node_update_func") as update, *rest]:
                yield from _gated(f"representation.blocks.{block}.{update[:4]}_update", name, rest, state)
            case ["graph_layers", block, "conv", ("edge_weight_func" | "node_weight_func") as weights, "weight"]:
                yield f"representation.blocks.{block}.{weights[:4]}_weights.weight", tensor
            case ["final_layer", "gated", *rest]:
                yield from _gated("readout", name, rest, state)
            case ["readout", ("mlp" | "weight") as part, "layers", layer, kind]:
                ours = {"mlp": "values", "weight": "weights"}[part]
                yield f"weighted_mean.{ours}.{layer}.{kind}", tensor
            case ["final_layer", "layers", layer, kind]:
                yield f"readout.{layer}.{kind}", tensor
            case ["readout", *_, "lstm", parameter]:  # MatGL 2 has one level more than MatGL 4
                yield f"set2set.lstm.{parameter}", tensor
            case _:
                raise UnreadableFile(f"state.pt has the parameter {name}, which M3GNet as we know it does not have.")


def _gated(ours: str, name: str, rest: list[str], state: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """The maps of value and gate side by side, as (2, in, out); activations take every second place in their list."""
    branch, layer, kind = rest
    if branch == "gates":
        return
    pair = torch.stack([state[name], state[name.replace(".layers.", ".gates.")]])
    if kind == "weight":
        yield f"{ours}.weights.{int(layer) // 2}", pair.mT.contiguous()
    else:
        yield f"{ours}.biases.{int(layer) // 2}", pair[:, None]
