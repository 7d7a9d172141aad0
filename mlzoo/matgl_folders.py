"""MatGL's folders, for the plugins that read its architectures: ``model.json``, ``model.pt`` and ``state.pt``.

``model.pt`` pickles the arguments of the constructor, bare or around those of the model proper and the scaling of its
target; ``state.pt`` the tensors. Read from MatGL 2.0.6 to 4.1.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlzoo.errors import UnreadableFile

if TYPE_CHECKING:
    from torch import Tensor

ELEMENTS = tuple(z for z in range(1, 95) if z not in (84, 85, 86, 87, 88))
"""Atomic numbers that MatGL's models know unless told otherwise: H to Pu without Po, At, Rn, Fr, Ra."""

SCALING = "matgl.data.transformer.Normalizer"


def holds(path: Path, architecture: str) -> bool:
    """Whether this is a folder of the three files, of this class; looks at names and at ``model.json`` only."""
    if not all((path / name).is_file() for name in ("model.json", "model.pt", "state.pt")):
        return False
    return f'"{architecture}"' in (path / "model.json").read_text(encoding="utf-8", errors="replace")


@dataclass(frozen=True)
class Folder:
    """What such a folder holds."""

    path: Path
    arguments: Mapping[str, Any]  # of the model proper
    scaling: Mapping[str, float]  # mean and std of the target; empty where it is not scaled
    state: Mapping[str, Tensor]
    sha256: Mapping[str, str]

    @property
    def elements(self) -> tuple[int, ...]:
        from ase.data import atomic_numbers

        return tuple(atomic_numbers[symbol] for symbol in self.arguments["element_types"] or ()) or ELEMENTS

    def require(self, served: Mapping[str, Any]) -> None:
        """Raise :class:`UnreadableFile` for an argument with another value than the one that is served."""
        for name, value in served.items():
            if self.arguments.get(name, value) != value:
                raise UnreadableFile(
                    f"{self.path} sets {name}={self.arguments[name]!r}; only {value!r} is supported. Please open an issue."
                )


def read(path: Path) -> Folder:
    """Read a folder without executing anything. Raises :class:`UnreadableFile`."""
    from mlzoo import inert_pickle
    from mlzoo.checksums import sha256

    wrapper = _arguments(inert_pickle.load(path / "model.pt", records=(SCALING,)), path)
    arguments = _arguments(wrapper["model"], path) if "model" in wrapper else wrapper
    scaling = getattr(wrapper.get("target_transformer"), "state", None) or {}
    state: Any = inert_pickle.load(path / "state.pt")
    digests = {name: sha256(path / name) for name in ("state.pt", "model.pt")}
    return Folder(path, arguments, {name: float(value) for name, value in scaling.items()}, state, digests)


def hub_repository(path: Path) -> str:
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
