"""A weight cut down to some of its elements: the same numbers for structures of these, from less memory."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import torch
from torch import Tensor

from mlzoo import elements, registry
from mlzoo.errors import PluginError
from mlzoo.reading import Read


def cut(found: Read, wanted: Collection[int], name: str) -> Read:
    """Config and tensors without the elements that are not ``wanted``; the provenance says so under ``cut_to``.

    Raises :class:`UnsupportedElement` for what the weight lacks, and :class:`PluginError` for an architecture that does not
    declare ``element_tables``.
    """
    architecture = registry.architecture(found.manifest.architecture)
    if not architecture.element_tables:
        raise PluginError(
            f"{name} cannot be cut to {', '.join(elements.symbols(wanted))}: the plugin of {found.manifest.architecture} "
            "does not say that its networks may be. Leave out elements=."
        )
    known: tuple[int, ...] = found.config.elements  # type: ignore[attr-defined]
    elements.require(wanted, known, name)
    kept = tuple(z for z in known if z in wanted)
    if kept == known:
        return found
    config = architecture.config.model_validate({**found.config.model_dump(), "elements": kept})
    smaller = architecture.build(config).state_dict()
    places = torch.tensor([known.index(z) for z in kept])
    state = {each: _rows(tensor, smaller.get(each), places, len(known)) for each, tensor in found.state.items()}
    provenance = {**found.manifest.provenance, "cut_to": list(elements.symbols(kept))}
    manifest = replace(found.manifest, config=config.model_dump(mode="json"), provenance=provenance)
    return Read(manifest, config, state)


def _rows(tensor: Tensor, smaller: Tensor | None, places: Tensor, known: int) -> Tensor:
    """The ``places`` of every axis that is shorter in a network of fewer elements; whatever else differs does not fit."""
    target = tensor.shape if smaller is None else smaller.shape
    for axis, (before, after) in enumerate(zip(tensor.shape, target, strict=False)):
        if before != after and (before, after) == (known, len(places)):
            tensor = tensor.index_select(axis, places)
    return tensor
