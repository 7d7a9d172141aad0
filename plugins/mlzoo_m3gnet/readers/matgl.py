"""MatGL's M3GNet folders: ``model.json``, ``model.pt`` (constructor arguments), ``state.pt`` (tensors).

Format and conventions were read from MatGL 2.0.6 to 4.1.2. A folder does not record which of three conventions its
weights follow, so that is known from the checksum of ``state.pt``, from the Hub repository, or from the user.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from ase.data import atomic_numbers
from torch import Tensor

from mlzoo import inert_pickle
from mlzoo.checksums import sha256
from mlzoo.errors import UnreadableFile
from mlzoo.plugin import ReadWeights
from mlzoo_m3gnet.config import CONVENTIONS, EnergyReadout, M3GNetConfig, Set2SetReadout

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

DEFAULT_ELEMENTS = tuple(z for z in range(1, 95) if z not in (84, 85, 86, 87, 88))
RECORDS = ("matgl.data.transformer.Normalizer",)
SERVED = {
    "rbf_type": "SphericalBessel",
    "use_phi": False,
    "include_state": False,
    "activation_type": "swish",
    "ntargets": 1,
}


def read(path: Path, convention: str | None = None) -> ReadWeights:
    """Read a folder; ``convention`` is one of ``legacy``, ``dstfix``, ``v3``, ``v4``.

    Raises :class:`UnreadableFile` for a folder whose convention nobody knows, for an option of MatGL's that no
    published weight uses, and for files that are not what they say.
    """
    digest = sha256(path / "state.pt")
    convention, notices = _convention(path, digest, convention)
    wrapper = _arguments(inert_pickle.load(path / "model.pt", records=RECORDS), path)
    arguments = _arguments(wrapper["model"], path) if "model" in wrapper else wrapper
    state: Any = inert_pickle.load(path / "state.pt")
    for name, served in SERVED.items():
        if arguments.get(name, served) != served:
            raise UnreadableFile(
                f"{path} sets {name}={arguments[name]!r}; only {served!r} is supported. Please open an issue."
            )

    energy = not arguments["is_intensive"]
    config = M3GNetConfig(
        elements=tuple(atomic_numbers[symbol] for symbol in arguments["element_types"] or ()) or DEFAULT_ELEMENTS,
        cutoff=arguments["cutoff"],
        threebody_cutoff=arguments["threebody_cutoff"],
        radial_basis="smooth" if arguments["use_smooth"] else "bessel",
        max_n=arguments["max_n"],
        max_l=arguments["max_l"],
        node_width=arguments["dim_node_embedding"],
        edge_width=arguments["dim_edge_embedding"],
        hidden_width=arguments["units"],
        blocks=arguments["nblocks"],
        readout=_energy_readout(path, arguments, state) if energy else _set2set_readout(path, arguments, wrapper),
        **CONVENTIONS[convention],  # type: ignore[arg-type]
    )
    translated = dict(_translated(state))
    if energy:
        references = state.get("element_refs.property_offset", torch.zeros(len(config.elements)))
        translated["references.energies"] = references.double()
    provenance = {"convention": convention, "sha256": {"state.pt": digest, "model.pt": sha256(path / "model.pt")}}
    return ReadWeights(config, translated, provenance, notices)


def _convention(path: Path, digest: str, chosen: str | None) -> tuple[str, tuple[str, ...]]:
    """The convention to load with, and what to tell the user about it."""
    if chosen is not None:
        return chosen, ()
    trained = TRAINED_AS.get(digest) or TRAINED_AS_BY_REPOSITORY.get(_hub_repository(path))
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


def _hub_repository(path: Path) -> str:
    """``owner/name`` of a folder in the Hub's cache, from its path; empty elsewhere."""
    for part in path.resolve().parts:
        if part.startswith("models--") and part.count("--") == 2:
            return part.removeprefix("models--").replace("--", "/")
    return ""


def _arguments(pickled: Any, path: Path) -> Mapping[str, Any]:
    """Constructor arguments, bare or as ``{"@class": ..., "init_args": ...}``."""
    if isinstance(pickled, Mapping):
        return pickled.get("init_args", pickled)
    raise UnreadableFile(f"{path / 'model.pt'} holds a {type(pickled).__name__}, not the arguments of a MatGL model.")


def _energy_readout(path: Path, arguments: Mapping[str, Any], state: Mapping[str, Tensor]) -> EnergyReadout:
    if arguments["readout_type"] != "weighted_atom":
        raise UnreadableFile(f"{path} has readout_type={arguments['readout_type']!r}, which no energy model has.")
    if float(state["data_mean"]) != 0:
        raise UnreadableFile(
            f"{path} adds data_mean={float(state['data_mean'])} eV to every structure whatever its size."
        )
    return EnergyReadout(scale=float(state["data_std"]))


def _set2set_readout(path: Path, arguments: Mapping[str, Any], wrapper: Mapping[str, Any]) -> Set2SetReadout:
    if arguments["readout_type"] != "set2set" or arguments["task_type"] != "regression":
        raise UnreadableFile(f"{path} has {arguments['readout_type']!r} for {arguments['task_type']!r}: not supported.")
    scaling = wrapper["target_transformer"].state
    return Set2SetReadout(
        steps=arguments["niters_set2set"],
        layers=arguments["nlayers_set2set"],
        mean=float(scaling["mean"]),
        std=float(scaling["std"]),
    )


def _translated(state: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Their parameter names and shapes in ours; buffers that follow from the config are left out."""
    for name, tensor in state.items():
        if not name.startswith("model.") or name.endswith(".cutoff"):
            continue
        parts = name.split(".")[1:]
        match parts:
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
