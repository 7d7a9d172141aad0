"""Which format a file or folder is in, from names and headers only, without torch."""

from __future__ import annotations

from pathlib import Path

from mlzoo import matgl_folders

HDF5 = b"\x89HDF\r\n\x1a\n"


def sniff_matgl(path: Path) -> bool:
    """A MatGL folder of this class."""
    return matgl_folders.holds(path, "MEGNet")


def sniff_keras(path: Path) -> bool:
    """An HDF5 file with a JSON page of the same name beside it, or a folder with just one such pair."""
    found = weights_in(path)
    if found is None:
        return False
    with found.open("rb") as file, page_of(found).open("rb") as page:
        return file.read(len(HDF5)) == HDF5 and b"graph_convert" in page.read(1 << 16)


def weights_in(path: Path) -> Path | None:
    """The HDF5 file that is meant."""
    candidates = [path] if path.is_file() else sorted(path.glob("*.hdf5"))
    return candidates[0] if len(candidates) == 1 and page_of(candidates[0]).is_file() else None


def page_of(weights: Path) -> Path:
    """The page beside it: how to make graphs, how the target was scaled."""
    return weights.with_name(weights.name + ".json")
