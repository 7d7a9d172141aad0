"""Files of a source as they lie on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Found:
    """Where the files of a source lie, before anybody has looked into them."""

    files: Mapping[str, Path]
    commit: str | None = None  # of a Hub repository
    stated: Mapping[str, str] | None = None  # checksum that the server gave for a file, sha256 or git's

    @property
    def path(self) -> Path:
        """What a reader reads: the folder, or the file that all others belong to (``a.hdf5`` of ``a.hdf5.json``)."""
        name, first = next(iter(self.files.items()))
        return first if all(other.startswith(name) for other in self.files) else first.parents[name.count("/")]

    def remove(self, name: str) -> None:
        """Take a file out of the cache, and what it links to."""
        file = self.files[name]
        file.resolve().unlink(missing_ok=True)
        file.unlink(missing_ok=True)
