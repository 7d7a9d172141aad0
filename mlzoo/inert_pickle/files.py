"""The three kinds of files: torch's zip archive, torch's older stream, and a bare pickle."""

import io
import os
import struct
import sys
import zipfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch

from mlzoo.errors import UnreadableFile, UnsafePickle
from mlzoo.inert_pickle.machine import Machine
from mlzoo.inert_pickle.rebuild import STORAGES, ForeignName, Reference, Storage

ZIP_MAGIC = b"PK\x03\x04"
LEGACY_MAGIC = (0x1950A86A20F9469CFC6C).to_bytes(10, "little")  # the first of several pickles is this number
CHUNK = 2**20  # bytes
CORRUPT = (zipfile.BadZipFile, EOFError, struct.error, ValueError, TypeError, AttributeError, LookupError)
CORRUPT_TOO = (RuntimeError, OverflowError, MemoryError)  # encrypted or too new a zip, numbers out of all bounds


def load(path: str | os.PathLike[str], records: Collection[str] = ()) -> object:
    """What a file of ``torch.save`` or ``pickle.dump`` holds: tensors, containers, and inert records.

    ``records`` names the classes that may occur, in full (``"matgl.data.transformer.Normalizer"``) or by package
    (``"mace.*"``). Their objects come back as :class:`Record`, their bare mention as :class:`Reference`.
    Tensors are on the CPU, without gradient, and share memory where they did when they were saved.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise FileNotFoundError("there is no file of that name")
        with path.open("rb") as file:
            return _read(file, (records,) if isinstance(records, str) else records)
    except ForeignName as error:
        raise UnsafePickle(
            f"{path}: the pickle asks for {_printable(error)}, which is neither a tensor, nor a plain container, nor a "
            "record of this format. Nothing of it was run. Ask its author for the weights as safetensors, or as "
            "`torch.save(model.state_dict(), ...)`."
        ) from None
    except OSError as error:
        raise UnreadableFile(
            f"{path}: {error.strerror or error}. Check the path, or download the file again."
        ) from error
    except (*CORRUPT, *CORRUPT_TOO) as error:
        raise UnreadableFile(
            f"{path}: not a file that torch.save or pickle wrote, or damaged since ({_printable(error)}). "
            "Download it again and compare its size and sha256 with those of the source."
        ) from error


def _printable(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    return (text if text.isprintable() else ascii(text))[:200]  # a file chooses this text, a terminal shows it


def _read(file: BinaryIO, records: Collection[str]) -> object:
    start = file.read(32)
    file.seek(0)
    if start.startswith(ZIP_MAGIC):
        return _read_zip(file, records)
    stream = io.BytesIO(file.read())  # a length that the file declares can then not exceed the file
    if LEGACY_MAGIC in start:
        return _read_legacy(stream, records)
    return Machine(stream, records, _no_storage).run()


def _no_storage(identity: object) -> Storage:
    raise ForeignName("a persistent id without an archive of storages")


class Storages:
    """The storages of one file, each made once: tensors that shared memory share it again.

    ``fetch`` returns the bytes of a key, of which the file holds no more than ``limit`` in all.
    """

    def __init__(self, fetch: Callable[[str, int], torch.Tensor], byteorder: str, limit: int):
        self.fetch = fetch
        self.byteorder = byteorder
        self.room = limit
        self.made: dict[str, Storage] = {}

    def __call__(self, identity: object) -> Storage:
        match identity:
            case (
                ("storage", Reference(name), str(key), str(), int(count))
                | ("storage", Reference(name), str(key), str(), int(count), None)  # no view: the old format
            ) if name in STORAGES:
                return self._storage(key, STORAGES[name], count)
            case (str(kind), *_):
                raise ForeignName(f"persistent id {kind[:40]!r} that is no storage")
            case _:
                raise ForeignName("persistent id that is no storage")

    def _storage(self, key: str, dtype: torch.dtype | None, count: int) -> Storage:
        size = count * (dtype.itemsize if dtype else 1)
        if key not in self.made:
            if not 0 <= size <= self.room:
                raise ValueError(f"storage {key} of {size} bytes, more than the file holds")
            self.room -= size
            self.made[key] = Storage(self.fetch(key, size), dtype, self.byteorder == "little")
            self.swap(self.made[key])
        found = self.made[key]
        if found.data.numel() != size or found.dtype != dtype:
            raise ValueError(f"storage {key} of {found.data.numel()} bytes, declared as {count} elements of {dtype}")
        return found

    def swap(self, storage: Storage) -> None:
        """Bytes of the other order become ours, in place."""
        if self.byteorder != sys.byteorder and storage.dtype is not None:
            width = storage.dtype.itemsize // (2 if storage.dtype.is_complex else 1)
            numbers = storage.data.view(-1, width)
            numbers.copy_(numbers.flip(1))


def _read_zip(file: BinaryIO, records: Collection[str]) -> object:
    with zipfile.ZipFile(file) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        if len(entries) != len(archive.infolist()):
            raise ValueError("two entries of the same name")
        pickles = [name for name in entries if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(pickles) != 1:
            raise ValueError(f"a zip with {len(pickles)} entries data.pkl instead of one")
        folder = pickles[0].removesuffix("data.pkl")
        limit = os.fstat(file.fileno()).st_size

        def fetch(name: str, size: int | None = None) -> torch.Tensor:
            if folder + name not in entries:
                raise ValueError(f"{name} is missing")
            entry = entries[folder + name]
            if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
                raise ValueError(f"{name} is compressed, which torch.save never does")
            if entry.file_size > limit or size not in (None, entry.file_size):
                raise ValueError(f"{name} has {entry.file_size} bytes where {size} are declared")
            data = torch.empty(entry.file_size, dtype=torch.uint8, device="cpu")
            with archive.open(entry) as stored:  # the last read compares the checksum
                _fill(data, stored.read)
            return data

        order = fetch("byteorder").numpy().tobytes().decode() if f"{folder}byteorder" in entries else "little"
        if order not in ("little", "big"):
            raise ValueError("a byte order that is neither little nor big")
        storages = Storages(lambda key, size: fetch(f"data/{key}", size), order, limit)
        return Machine(io.BytesIO(fetch("data.pkl").numpy().tobytes()), records, storages).run()


def _read_legacy(stream: io.BytesIO, records: Collection[str]) -> object:
    """Before torch 1.6: number, version, system, object, keys of the storages, then their counts and bytes."""
    _, version, system = (Machine(stream, (), _no_storage).run() for _ in range(3))
    if version != 1001 or not isinstance(system, dict):
        raise ValueError("an unknown version of the old torch format")
    order = "little" if system.get("little_endian", True) else "big"
    storages = Storages(_zeros, order, stream.getbuffer().nbytes)  # filled below
    result = Machine(stream, records, storages).run()
    keys = Machine(stream, (), _no_storage).run()
    if not isinstance(keys, list) or sorted(keys) != sorted(storages.made):
        raise ValueError("storages that do not match the tensors")
    for key in keys:
        storage = storages.made[key]
        (count,) = struct.unpack("<q" if order == "little" else ">q", stream.read(8))
        if count * (storage.dtype.itemsize if storage.dtype else 1) != storage.data.numel():
            raise ValueError(f"storage {key} of {count} elements, declared otherwise")
        _fill(storage.data, stream.read)
        storages.swap(storage)
    return result


def _zeros(key: str, size: int) -> torch.Tensor:
    return torch.zeros(size, dtype=torch.uint8, device="cpu")


def _fill(data: torch.Tensor, read: Callable[[int], bytes]) -> None:
    """Copies bytes in pieces; the file must have them all."""
    target = data.numpy()
    for begin in range(0, len(target), CHUNK):
        piece = read(min(CHUNK, len(target) - begin))
        if len(piece) != min(CHUNK, len(target) - begin):
            raise EOFError("the file ends too early")
        target[begin : begin + len(piece)] = np.frombuffer(piece, np.uint8)
