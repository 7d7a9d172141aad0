"""Labelled structures in HDF5 files that are read one structure at a time, for data beyond memory.

A folder has ``shards.json``, written last, and files of some thousand structures each. In a file stand the three arrays of
``packing`` of all its structures, one after the other: ``text``, ``integers``, ``floats``; where those of structure ``i``
begin, ``first[i]``, and end, ``first[i + 1]``; and its checksum ``crc32[i]``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from io import RawIOBase
from pathlib import Path
from typing import Any

import numpy as np

from mlzoo.checksums import sha256
from mlzoo.errors import InvalidTraining, MissingPackage, UnreadableFile
from mlzoo.json_files import read_json
from mlzoo.neighbors import find_pairs
from mlzoo.training.data.example import Example
from mlzoo.training.data.keys import Keys
from mlzoo.training.data.labelling import Reference
from mlzoo.training.data.packing import Packed, pack, unpack
from mlzoo.training.data.reading import Paths, read, references_by_head
from mlzoo.training.whole_files import replacing

INDEX, FORMAT = "shards.json", "mlzoo-shards-1"
PARTS: Mapping[str, type] = {"text": np.uint8, "integers": np.int32, "floats": np.float64}
SIZE = 10_000  # structures in a file, at most
BYTES = 1 << 28  # and this much, or one structure


@dataclass(frozen=True)
class Shard:
    """One file, as it should be."""

    path: Path
    structures: int
    bytes: int


class Shards(Sequence):  # of Example
    """All structures of a folder. Only how many there are is in memory.

    A file is opened for each structure that is asked for, so that nothing is shared between processes. Raises
    :class:`UnreadableFile` for a folder or a file that is not whole, and for a structure that is not what was written.
    """

    def __init__(self, folder: Path):
        if not is_sharded(folder):
            raise UnreadableFile(f"{folder} has no {INDEX}, which is written last. Run `mlzoo shard` again.")
        said = read_json(folder / INDEX)
        if not isinstance(said, dict) or said.get("format") != FORMAT:
            raise UnreadableFile(f"{folder / INDEX} is not of format {FORMAT}. Run `mlzoo shard` again.")
        self.files = [Shard(folder / each["file"], each["structures"], each["bytes"]) for each in said["shards"]]
        self.references = {
            head: {int(z): energy for z, energy in energies.items()} for head, energies in said["references"].items()
        }  # energies of free atoms in eV, by head and atomic number
        self._first = np.cumsum([0, *(each.structures for each in self.files)])
        self._begins: dict[int, dict[str, int]] = {}
        for each in self.files:
            found = each.path.stat().st_size if each.path.is_file() else None
            if found != each.bytes:
                has = "is missing" if found is None else f"has {found} bytes of {each.bytes}"
                raise UnreadableFile(f"{each.path} {has}. Copy it again, or run `mlzoo shard` again.")

    def __len__(self) -> int:
        return int(self._first[-1])

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        number = int(np.searchsorted(self._first, index, side="right")) - 1
        path = self.files[number].path
        if number not in self._begins:
            self._begins[number] = _begins(path)
        return _read(path, int(index - self._first[number]), self._begins[number])


def is_sharded(path: Path) -> bool:
    return (path / INDEX).is_file()


def index_of(path: Path) -> Path:
    """What stands for the data in a checksum: the file, or that of a folder, in which are those of its files."""
    return path / INDEX if is_sharded(path) else path


def write_shards(
    paths: Paths, folder: Path, keys: Keys | None = None, *, cutoff: float | None = None, size: int = SIZE
) -> int:
    """Write labelled structures into a folder, a file at a time, and say how many.

    ``cutoff`` in Å: neighbours within it are found here, once, and kept with each structure. Raises
    :class:`InvalidTraining` for a folder that is not empty, and what reading raises.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidTraining(f"{folder} is there already. Name another folder, or delete it.")
    folder.mkdir(parents=True, exist_ok=True)
    free: list[Reference] = []
    written: list[dict[str, Any]] = []
    for chunk in _chunks(read(paths, keys, on_reference=free.append), cutoff, size):
        path = folder / f"{len(written):05d}.h5"
        _write(path, chunk)
        entry = {"file": path.name, "structures": len(chunk), "bytes": path.stat().st_size, "sha256": sha256(path)}
        written.append(entry)
    if not written:
        raise UnreadableFile("there is no structure in these files but free atoms. Check the path.")
    said = {"format": FORMAT, "shards": written, "references": references_by_head(free)}
    with replacing(folder / INDEX) as file:
        file.write(json.dumps(said, indent=1).encode())
    return sum(each["structures"] for each in written)


def _chunks(examples: Iterable[Example], cutoff: float | None, size: int) -> Iterable[list[Packed]]:
    chunk: list[Packed] = []
    held = 0
    for example in examples:
        packed = pack(_with_neighbours(example, cutoff))
        more = sum(getattr(packed, part).nbytes for part in PARTS)
        if chunk and (len(chunk) == size or held + more > BYTES):
            yield chunk
            chunk, held = [], 0
        chunk.append(packed)
        held += more
    if chunk:
        yield chunk


def _with_neighbours(example: Example, cutoff: float | None) -> Example:
    if cutoff is None:
        return example
    structure = example.structure
    pairs = find_pairs(structure.positions, structure.cell, structure.pbc, cutoff)
    return replace(example, neighbours=(cutoff, pairs))


def _write(path: Path, chunk: Sequence[Packed]) -> None:
    h5py = _h5py()
    sizes = [[len(getattr(packed, part)) for part in PARTS] for packed in chunk]
    with h5py.File(path, "w", libver="latest") as file:
        file["first"] = np.cumsum([[0] * len(PARTS), *sizes], axis=0)
        file["crc32"] = np.array([packed.checksum for packed in chunk], dtype=np.uint32)
        for part in PARTS:
            file[part] = np.concatenate([getattr(packed, part) for packed in chunk])


def _read(path: Path, number: int, begins: Mapping[str, int]) -> Example:
    """``begins``: byte at which each array begins."""
    try:
        with path.open("rb", buffering=0) as file:
            first = _numbers(file, begins["first"] + 8 * number * len(PARTS), np.int64, 2 * len(PARTS))
            (checksum,) = _numbers(file, begins["crc32"] + 4 * number, np.uint32, 1)
            places = zip(PARTS.items(), first[: len(PARTS)].tolist(), first[len(PARTS) :].tolist(), strict=True)
            parts = [
                _numbers(file, begins[part] + np.dtype(kind).itemsize * begin, kind, end - begin)
                for (part, kind), begin, end in places
            ]
            packed = Packed(*parts)
        if packed.checksum != checksum:
            raise ValueError("its checksum is another")
    except (OSError, ValueError, MemoryError) as error:
        raise UnreadableFile(
            f"{path} is damaged at its structure {number} ({error}). Copy it again, or run `mlzoo shard` again."
        ) from error
    return unpack(packed)


def _numbers(file: RawIOBase, begin: int, kind: type, count: int) -> np.ndarray:
    file.seek(begin)
    numbers: np.ndarray = np.empty(count, kind)
    if file.readinto(numbers.data.cast("B")) != numbers.nbytes:
        raise ValueError("it ends before")
    return numbers


def _begins(path: Path) -> dict[str, int]:
    """Where in a file its arrays begin, each of which is one run of bytes: what is read often is read without HDF5."""
    h5py = _h5py()
    try:
        with h5py.File(path, "r") as file:
            return {name: file[name].id.get_offset() for name in ("first", "crc32", *PARTS)}
    except (OSError, KeyError, RuntimeError) as error:
        raise UnreadableFile(f"{path} is damaged ({error}). Copy it again, or run `mlzoo shard` again.") from error


def _h5py() -> Any:
    try:
        import h5py
    except ImportError:
        raise MissingPackage("shards are HDF5 files. Install h5py with `pip install mlzoo[train]`.") from None
    return h5py
