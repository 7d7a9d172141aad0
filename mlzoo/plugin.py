"""The door through which architectures come in, ours and everybody else's.

A plugin is an importable module with one hook, named under ``[project.entry-points.mlzoo]`` in its own package::

    morse = "mlzoo_morse"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy
from pydantic import BaseModel

if TYPE_CHECKING:  # plugins are imported without torch
    from torch import Tensor

    from mlzoo.model import Model
    from mlzoo.training.statistics import Statistics

API_VERSION = 1
"""Raised when a plugin written against this module would have to change."""

hookspec = pluggy.HookspecMarker("mlzoo")
hookimpl = pluggy.HookimplMarker("mlzoo")


@dataclass(frozen=True)
class ReadWeights:
    """What a reader makes of a foreign file: our config, our parameter names, and what the user should know."""

    config: BaseModel
    state: Mapping[str, Tensor]
    provenance: Mapping[str, Any]  # JSON-safe: checksums, the convention taken, ...
    notices: tuple[str, ...] = ()  # announced at load
    dtype: str = "float32"  # the precision that the file was written in, and that it is loaded in by default


@dataclass(frozen=True)
class Reader:
    """One foreign weight format."""

    name: str
    sniff: Callable[[Path], bool]  # whether this may be such a file or folder; looks at names and headers only
    read: Callable[..., ReadWeights]  # (path, **options); imports torch when it is called
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # what `load` may pass on, with allowed values


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that are trained alike; ``size`` is what their entries typically are (1: as the learning rate is meant)."""

    parameters: Sequence[Tensor]
    size: float = 1.0


def _as_said(fields: Mapping[str, Any], statistics: Statistics) -> Mapping[str, Any]:
    return {"elements": statistics.elements, **fields}


def _as_built(model: Model, statistics: Statistics) -> None:
    return None


def _itself(model: Model) -> Model:
    return model


def _one_group(model: Model) -> Sequence[ParameterGroup]:
    return [ParameterGroup(list(model.parameters()))]


@dataclass(frozen=True)
class Training:
    """What an architecture knows of its own training; each part has a default that works."""

    complete: Callable[[Mapping[str, Any], Statistics], Mapping[str, Any]] = _as_said
    """Fields of the config that follow from the data, around those that the user has said."""
    prepare: Callable[[Any, Statistics], None] = _as_built
    """Put reference energies, scales and first weights into a model that was just built."""
    carry: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict
    """Fields of another model's config that one which begins with its weights keeps: all that the data do not say."""
    groups: Callable[[Any], Sequence[ParameterGroup]] = _one_group
    """Parameters by what their entries typically are."""
    form: Callable[[Any], Model] = _itself
    """What learns in a model's place on a CPU: the same parameters and numbers, quicker, and twice differentiable."""
    heads: bool = False
    """Whether it learns several levels of theory, each with its own ``Statistics.heads``."""


@dataclass(frozen=True)
class Architecture:
    """One architecture, as its plugin describes it."""

    name: str  # the same as that of its entry point
    config: type[BaseModel]  # refuses bad values before a tensor exists
    build: Callable[[Any], Model]  # config -> torch module; imports torch when it is called
    readers: tuple[Reader, ...] = ()
    training: Training = Training()
    cards: Path | None = None  # folder with a page for each weight that the plugin's authors publish
    element_tables: bool = False
    """Whether a network may be cut to some of ``config.elements``: all that tensors hold of an element stands at its place
    in that list, along every axis whose length is their number, and nothing else depends on which others there are."""
    api: int = API_VERSION  # the version of this module that the plugin was written for


class Hooks:
    """The hooks that a plugin may implement."""

    @hookspec
    def mlzoo_architecture(self) -> Architecture:  # type: ignore[empty-body]
        """The architecture that this plugin brings."""
