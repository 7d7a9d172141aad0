"""From files to a config and tensors: our own layout, or a foreign format through the plugin that reads it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from torch import Tensor

from mlzoo import registry, weights
from mlzoo.checksums import sha256
from mlzoo.conditions import COMMON
from mlzoo.errors import PluginError, UnreadableFile
from mlzoo.plugin import Reader
from mlzoo.registry import Plugin

log = logging.getLogger("mlzoo")

ORIGIN = ("source", "commit", "sha256")
"""What says where a weight in our layout was made from, before it was converted and given a source of its own."""


@dataclass(frozen=True)
class Read:
    """A weight as it was read: what it is, its network's config, its tensors."""

    manifest: weights.Manifest
    config: BaseModel
    state: Mapping[str, Tensor]


def read(path: Path, name: str, options: Mapping[str, Any], provenance: Mapping[str, Any]) -> Read:
    """Read a weight. ``provenance`` is what is known of the files; the rest of it is filled in.

    Raises :class:`UnreadableFile` or :class:`PluginError`.
    """
    return (_ours if weights.is_ours(path) else _foreign)(path, name, options, provenance)


def _ours(path: Path, name: str, options: Mapping[str, Any], provenance: Mapping[str, Any]) -> Read:
    if options:
        raise UnreadableFile(
            f"{path} is in mlzoo's own layout, which takes no options: leave out {', '.join(options)}."
        )
    manifest, state = weights.read(path)
    try:
        config = registry.architecture(manifest.architecture).config.model_validate(manifest.config)
    except ValidationError as error:
        raise UnreadableFile(f"{path / 'config.json'} is no {manifest.architecture} config: {error}") from error
    origin = {key: manifest.provenance[key] for key in ORIGIN if key in manifest.provenance}
    local = {"source": name, "sha256": {file: sha256(path / file) for file in ("config.json", "model.safetensors")}}
    said = {key: value for key, value in manifest.provenance.items() if key not in ORIGIN}
    merged = {**said, **({"made_from": origin} if origin else {}), **(provenance or local)}
    return Read(replace(manifest, provenance=merged), config, state)


def _foreign(path: Path, name: str, options: Mapping[str, Any], provenance: Mapping[str, Any]) -> Read:
    plugin, reader = _reader(path)
    read = reader.read(path, **_checked_options(reader, options))
    for notice in read.notices:
        log.warning("%s: %s", name, notice)
    manifest = weights.Manifest(
        architecture=plugin.name,
        package=plugin.package,
        version=plugin.version,
        dtype=read.dtype,
        config=read.config.model_dump(mode="json"),
        provenance={"source": name, "format": reader.name, **read.provenance, **provenance},
    )
    state = {name: tensor.contiguous() for name, tensor in read.state.items()}  # as they will be when saved and read
    return Read(manifest, read.config, state)


def _reader(path: Path) -> tuple[Plugin, Reader]:
    """The plugin and reader that recognise a foreign file. A broken plugin never stops the others."""
    broken, formats = [], []
    for plugin in registry.plugins():
        try:
            for reader in plugin.load().readers:
                if reader.sniff(path):
                    return plugin, reader
                formats.append(f"{plugin.name}:{reader.name}")
        except PluginError as error:
            broken.append(str(error))
        except Exception as error:  # a reader is others' code too
            broken.append(f"plugin {plugin.name!r} could not look at it: {type(error).__name__}: {error}.")
    raise UnreadableFile(
        f"{path} is in no format that an installed plugin reads (mlzoo's own, {', '.join(formats) or 'no others'}). "
        + " ".join(["Check the path, or install the plugin for it.", *broken])
    )


def _checked_options(reader: Reader, options: Mapping[str, Any]) -> Mapping[str, Any]:
    for name, value in options.items():
        if name not in reader.options:
            later = (
                f" Say {name}={value!r} to calculator() or predict() of what load returns." if name in COMMON else ""
            )
            raise UnreadableFile(
                f"the {reader.name} reader has no option {name!r}. It has {', '.join(reader.options) or 'none'}.{later}"
            )
        if reader.options[name] and value not in reader.options[name]:
            raise UnreadableFile(f"{name}={value!r} is not known. It is one of {', '.join(reader.options[name])}.")
    return options
