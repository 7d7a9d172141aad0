"""A lock file: for each model where it came from, at which commit, with which bytes, read by which plugin version."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from mlzoo import registry
from mlzoo.cards import File, HubSource, Source
from mlzoo.errors import LockMismatch
from mlzoo.json_files import read_json, write_json

VARIABLE = "MLZOO_LOCK"
VERSION = 1


@dataclass(frozen=True)
class Held:
    """What a lock holds of one model."""

    source: str
    commit: str | None
    sha256: Mapping[str, str]
    architecture: str
    package: str
    version: str  # of that package

    @classmethod
    def of(cls, architecture: str, provenance: Mapping[str, Any]) -> Held:
        """What a lock says of a weight as it was read on this machine."""
        plugin = registry.plugin(architecture)
        commit, sha256 = provenance.get("commit"), provenance["sha256"]
        return cls(provenance["source"], commit, sha256, architecture, plugin.package, plugin.version)


@dataclass(frozen=True)
class Lock:
    """A lock file as it was read."""

    path: Path
    models: Mapping[str, Held]

    def held(self, name: str) -> Held:
        """What it holds of ``name``. Raises :class:`LockMismatch`: under a lock nothing else is loaded."""
        if name not in self.models:
            raise LockMismatch(
                f"{name} is not in the lock {self.path} ({', '.join(self.models) or 'which is empty'}). "
                f"`mlzoo lock {name} -o {self.path}` adds it."
            )
        return self.models[name]

    def source(self, name: str, sources: Sequence[Source]) -> Source:
        """The one source that the lock names, at its commit, with its checksums."""
        held = self.held(name)
        for source in sources:
            if str(source) == held.source:
                files = {file: File(sha256=digest) for file, digest in held.sha256.items()}
                at = {"revision": held.commit} if isinstance(source, HubSource) and held.commit else {}
                return source.model_copy(update={"files": files, **at})
        known = ", ".join(map(str, sources))
        raise LockMismatch(
            f"{name} comes from {held.source} in the lock {self.path}, and its card knows only {known}. "
            "Install the mlzoo that the lock was written with, or write it anew."
        )

    def compare(self, name: str, found: Held) -> None:
        """Refuse other bytes and another plugin version. Raises :class:`LockMismatch` that names both."""
        held = self.held(name)
        for what, locked, here in (
            *((f"sha256 of {file}", digest, found.sha256.get(file)) for file, digest in held.sha256.items()),
            ("version of " + held.package, held.version, found.version),
            ("architecture", held.architecture, found.architecture),
            ("package", held.package, found.package),
        ):
            if locked != here:
                raise LockMismatch(
                    f"{name}: the lock {self.path} holds {what} at {locked}, and here it is {here}. "
                    "Install or fetch what the lock names, or write it anew with `mlzoo lock`."
                )


def in_force(path: str | os.PathLike[str] | Literal[False] | None) -> Lock | None:
    """The lock that the argument names, or else the variable ``MLZOO_LOCK``; none for False.

    Raises :class:`LockMismatch` or :class:`UnreadableFile`.
    """
    chosen = os.environ.get(VARIABLE) if path is None else path
    return read(Path(chosen)) if chosen else None


def read(path: Path) -> Lock:
    said = read_json(path)
    if not isinstance(said, dict) or said.get("mlzoo_lock") != VERSION:
        raise LockMismatch(f"{path} is no lock of version {VERSION}. `mlzoo lock NAME -o {path}` writes one.")
    try:
        return Lock(path, {name: Held(**held) for name, held in said["models"].items()})
    except (KeyError, TypeError, AttributeError) as error:
        raise LockMismatch(
            f"{path} is a damaged lock ({error}). `mlzoo lock NAME -o {path}` writes it anew."
        ) from error


def write(path: Path, models: Mapping[str, Held]) -> None:
    said = {"mlzoo_lock": VERSION, "models": {name: asdict(models[name]) for name in sorted(models)}}
    write_json(path, said)
