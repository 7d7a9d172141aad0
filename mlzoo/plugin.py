"""The door through which architectures come in, ours and everybody else's.

A plugin is an importable module with one hook, named under ``[project.entry-points.mlzoo]`` in its own package::

    morse = "mlzoo_morse"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy
from pydantic import BaseModel

if TYPE_CHECKING:  # plugins are imported without torch
    from torch import Tensor

    from mlzoo.model import Model

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
class Architecture:
    """One architecture, as its plugin describes it."""

    name: str  # the same as that of its entry point
    config: type[BaseModel]  # refuses bad values before a tensor exists
    build: Callable[[Any], Model]  # config -> torch module; imports torch when it is called
    readers: tuple[Reader, ...] = ()
    cards: Path | None = None  # folder with a page for each weight that the plugin's authors publish
    api: int = API_VERSION  # the version of this module that the plugin was written for


class Hooks:
    """The hooks that a plugin may implement."""

    @hookspec
    def mlzoo_architecture(self) -> Architecture:  # type: ignore[empty-body]
        """The architecture that this plugin brings."""
