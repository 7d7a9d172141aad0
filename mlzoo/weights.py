"""Our own layout of a weight: a folder with its config, its tensors, its checks and its card.

| file | what |
|---|---|
| ``README.md`` | the card |
| ``config.json`` | architecture, plugin, dtype, the network's config, where the weights came from |
| ``model.safetensors`` | the tensors |
| ``LICENSE`` | the licence that the card names |
| ``checks.json`` | a few structures with reference values, and tolerances for each dtype |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from mlzoo.cards import Card, license_text, page
from mlzoo.errors import UnreadableFile
from mlzoo.json_files import read_json, write_json

LAYOUT_VERSION = 1


@dataclass(frozen=True)
class Manifest:
    """``config.json``: everything about a weight but its tensors."""

    architecture: str
    package: str  # the distribution that brings the architecture
    version: str  # of that distribution when the weight was written
    dtype: str
    config: Mapping[str, Any]
    provenance: Mapping[str, Any]
    layout: int = LAYOUT_VERSION


def is_ours(path: Path) -> bool:
    """Whether this folder is in our layout, by its names alone."""
    return (path / "config.json").is_file() and (path / "model.safetensors").is_file()


def write(folder: Path, manifest: Manifest, state: Mapping[str, Tensor], checks: Mapping[str, Any], card: Card) -> None:
    """Write a weight, its card and its licence; tensors that share memory are written once each.

    What float32 holds without rounding is stored in it: loading gives the same numbers in float64.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: _smallest(tensor.detach().cpu().clone()).contiguous() for name, tensor in state.items()}
    (folder / "model.safetensors").write_bytes(save(tensors))
    write_json(folder / "config.json", asdict(manifest))
    write_json(folder / "checks.json", checks)
    (folder / "README.md").write_text(page(card), encoding="utf-8")
    (folder / "LICENSE").write_text(license_text(card), encoding="utf-8")


def read(folder: Path) -> tuple[Manifest, dict[str, Tensor]]:
    """Read a weight in our layout. Raises :class:`UnreadableFile` for a file that is missing, corrupt or too new."""
    said = read_json(folder / "config.json")
    if not isinstance(said, dict) or not {"architecture", "config", "layout"} <= said.keys():
        raise UnreadableFile(
            f"{folder / 'config.json'} is not the config of an mlzoo weight. Fetch or convert it again."
        )
    if said["layout"] > LAYOUT_VERSION:
        raise UnreadableFile(
            f"{folder} has layout {said['layout']}, this mlzoo reads up to {LAYOUT_VERSION}. Update mlzoo."
        )
    try:
        tensors = load_file(folder / "model.safetensors")
        # in memory of their own: where a tensor begins in a file can change the last bit of a matrix product
        return Manifest(**said), {name: tensor.clone() for name, tensor in tensors.items()}
    except (SafetensorError, OSError, TypeError) as error:
        raise UnreadableFile(f"{folder} is not a whole mlzoo weight ({error}). Fetch or convert it again.") from error


def _smallest(tensor: Tensor) -> Tensor:
    if tensor.dtype != torch.float64:
        return tensor
    single = tensor.float()
    return single if torch.equal(single.double(), tensor) else tensor
