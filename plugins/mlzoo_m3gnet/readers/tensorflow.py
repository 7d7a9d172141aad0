"""The original M3GNet of Chen and Ong: ``m3gnet.json`` and a TensorFlow checkpoint, ``m3gnet.index`` and its data.

Names of tensors are paths through the objects of github.com/materialsvirtuallab/m3gnet, versions 0.1 and 0.2, whose
constructor the JSON has the arguments of. Dense layers are stored as (in, out), atoms by atomic number from 0 on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from mlzoo.checksums import sha256
from mlzoo.errors import UnreadableFile
from mlzoo.json_files import read_json
from mlzoo.plugin import ReadWeights
from mlzoo.targets import target_of
from mlzoo_m3gnet.config import EnergyReadout, M3GNetConfig, MeanReadout, WeightedMeanReadout
from mlzoo_m3gnet.readers import tensor_bundle

NAME = "m3gnet"
VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
DEFAULTS: Mapping[str, Any] = {  # of the constructor
    "name": NAME,
    "max_n": 3,
    "max_l": 3,
    "n_blocks": 3,
    "units": 64,
    "cutoff": 5.0,
    "threebody_cutoff": 4.0,
    "n_atom_types": 94,
    "include_states": False,
    "readout": "weighted_atom",
    "task_type": "regression",
    "is_intensive": True,
    "mean": 0.0,
    "std": 1.0,
    "element_refs": None,
}
NO_STRUCTURE = 1e-8  # eV: the fit of reference energies gives an element zero, but for rounding, if no structure has it


def read(path: Path, target: str | None = None) -> ReadWeights:
    """Read a folder; ``target`` names what a model of a property predicts.

    Raises :class:`UnreadableFile` for an option that is not served and for files that are not what they say.
    """
    arguments = _arguments(path / f"{NAME}.json")
    served: dict[str, tuple[Any, ...]] = {
        "include_states": (False,),
        "task_type": ("regression", "classification"),
    }
    if arguments["is_intensive"]:
        served |= {"readout": ("weighted_atom", "reduce_atom"), "element_refs": (None,)}
    else:
        served |= {"task_type": ("regression",), "mean": (0,)}  # a mean would count once whatever the size
    for option, values in served.items():
        if arguments[option] not in values:
            raise UnreadableFile(
                f"{path} sets {option}={arguments[option]!r}; only {' or '.join(map(repr, values))} is supported for "
                f"is_intensive={arguments['is_intensive']}. Please open an issue."
            )
    checkpoint = {name.removesuffix(VALUE): each for name, each in tensor_bundle.read(path / NAME).items()}
    try:
        _compare_sizes(arguments, checkpoint)
        config, notices = _config(path, arguments, target)
        state = dict(_translated(checkpoint, config))
        if isinstance(config.readout, EnergyReadout):
            references = arguments["element_refs"] or [0.0] * (arguments["n_atom_types"] + 1)
            state["references.energies"] = torch.tensor(references, dtype=torch.float64)[list(config.elements)]
    except UnreadableFile:
        raise
    except (ValidationError, TypeError, ValueError, IndexError) as error:
        raise UnreadableFile(f"{path} is no M3GNet as we know it: {error}. Fetch it again.") from error
    files = (path / f"{NAME}.json", *tensor_bundle.files(path / NAME))
    return ReadWeights(config, state, {"sha256": {file.name: sha256(file) for file in files}}, notices)


def _arguments(path: Path) -> Mapping[str, Any]:
    """Of the constructor. Keras writes JSON, and the original code writes that as a string into JSON."""
    said = read_json(path)
    try:
        model = json.loads(said) if isinstance(said, str) else said
    except (ValueError, RecursionError) as error:
        raise UnreadableFile(f"{path} is a string that is not JSON ({error}). Fetch it again.") from error
    if not isinstance(model, dict) or model.get("class_name") != "M3GNet" or not isinstance(model.get("config"), dict):
        raise UnreadableFile(f"{path} does not describe an M3GNet. Check the path, or fetch it again.")
    for option in model["config"].keys() - DEFAULTS.keys():
        raise UnreadableFile(f"{path} sets {option}, which M3GNet as we know it does not have. Please open an issue.")
    return {**DEFAULTS, **model["config"]}


def _compare_sizes(arguments: Mapping[str, Any], checkpoint: Mapping[str, Tensor]) -> None:
    """Sizes that the files do not bear out are refused before a network of that size is made."""
    types, units, n, l = (arguments[size] for size in ("n_atom_types", "units", "max_n", "max_l"))
    last = f"three_interactions/{arguments['n_blocks'] - 1}/update_network/pipe/layers/0/kernel"
    expected = {
        "featurizer/atom_network/embedding/embeddings": (types + 1, units),
        "feature_adjust/update_func/pipe/layers/0/kernel": (n, units),
        last: (units, n * l),
    }
    for name, shape in expected.items():
        if name not in checkpoint or tuple(checkpoint[name].shape) != shape:
            found = f"{tuple(checkpoint[name].shape)}" if name in checkpoint else "none"
            raise ValueError(f"its arguments ask for {name} of shape {shape}, and its checkpoint has {found}")


def _config(path: Path, arguments: Mapping[str, Any], target: str | None) -> tuple[M3GNetConfig, tuple[str, ...]]:
    types, references = arguments["n_atom_types"], arguments["element_refs"]
    if references is not None and len(references) != types + 1:
        raise ValueError(f"element_refs has {len(references)} values for n_atom_types={types}")
    elements = [z for z in range(1, types + 1) if references is None or abs(references[z]) > NO_STRUCTURE]
    notices: tuple[str, ...] = ()
    readout: EnergyReadout | MeanReadout | WeightedMeanReadout
    if arguments["is_intensive"]:
        classification = arguments["task_type"] == "classification"
        scaling = {"mean": arguments["mean"], "std": arguments["std"]}
        predicted, notices = target_of(path, target, classification, scaling)
        readout = {"weighted_atom": WeightedMeanReadout, "reduce_atom": MeanReadout}[arguments["readout"]](
            target=predicted
        )
    elif target is not None:
        raise UnreadableFile(f"{path} predicts an energy: leave out target={target!r}.")
    else:
        readout = EnergyReadout(scale=arguments["std"], layers=3)
    config = M3GNetConfig(
        elements=tuple(elements),
        cutoff=arguments["cutoff"],
        threebody_cutoff=arguments["threebody_cutoff"],
        radial_basis="smooth",
        threebody_basis="bessel",
        max_n=arguments["max_n"],
        max_l=arguments["max_l"],
        node_width=arguments["units"],
        edge_width=arguments["units"],
        hidden_width=arguments["units"],
        edge_embedding_bias=False,
        blocks=arguments["n_blocks"],
        update_layers=2,
        activate_node_weights=True,
        readout=readout,
    )
    return config, notices


def _translated(checkpoint: Mapping[str, Tensor], config: M3GNetConfig) -> Iterator[tuple[str, Tensor]]:
    """Their names and shapes in ours."""
    for name, tensor in checkpoint.items():
        match name.split("/"):
            case ["featurizer", "atom_network", "embedding", "embeddings"]:
                yield "representation.node_embedding.weight", tensor[list(config.elements)]
            case ["feature_adjust", "update_func", "pipe", "layers", "0", "kernel"]:
                yield "representation.edge_embedding.0.weight", tensor.mT
            case ["three_interactions", block, "update_network", "pipe", "layers", "0", kind]:
                yield _dense(f"representation.blocks.{block}.threebody.gate", kind, tensor)
            case ["three_interactions", block, "update_network2", *rest]:
                yield from _gated(f"representation.blocks.{block}.threebody.update", name, rest, checkpoint)
            case ["graph_layers", block, "bond_network", "update_func", *rest]:
                yield from _gated(f"representation.blocks.{block}.edge_update", name, rest, checkpoint)
            case ["graph_layers", block, "atom_network", "bond_dense", *rest]:
                yield from _gated(f"representation.blocks.{block}.node_update", name, rest, checkpoint)
            case ["graph_layers", block, "bond_network", "weight_func", "kernel"]:
                yield f"representation.blocks.{block}.edge_weights.weight", tensor.mT
            case ["graph_layers", block, "atom_network", "weight_update", "kernel"]:
                yield f"representation.blocks.{block}.node_weights.weight", tensor.mT
            case ["final", "layers", "0", "atom_network", "update_func", *rest]:
                yield from _gated("readout", name, rest, checkpoint)
            case ["final", "layers", "0", "atom_readout", ("mlp" | "weight") as part, "pipe", "layers", layer, kind]:
                ours = {"mlp": "weighted_mean.values", "weight": "weighted_mean.weights"}[part]
                yield _dense(f"{ours}.{2 * int(layer)}", kind, tensor)
            case ["final", "layers", "1", "pipe", "layers", layer, kind]:
                yield _dense(f"readout.{2 * int(layer)}", kind, tensor)
            case ["save_counter"]:  # how often the same was saved
                continue
            case _:
                raise ValueError(f"its checkpoint has {name}, which it should not have")


def _dense(ours: str, kind: str, tensor: Tensor) -> tuple[str, Tensor]:
    return (f"{ours}.weight", tensor.mT) if kind == "kernel" else (f"{ours}.{kind}", tensor)


def _gated(ours: str, name: str, rest: list[str], checkpoint: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """The maps of value ("pipe") and gate side by side, as (2, in, out)."""
    branch, _, layer, kind = rest
    if branch == "gate":
        return
    gate = name.replace("/pipe/", "/gate/")
    if gate not in checkpoint:
        raise ValueError(f"its checkpoint has {name}, but not {gate}")
    pair = torch.stack([checkpoint[name], checkpoint[gate]])
    yield (f"{ours}.weights.{layer}", pair) if kind == "kernel" else (f"{ours}.biases.{layer}", pair[:, None])
