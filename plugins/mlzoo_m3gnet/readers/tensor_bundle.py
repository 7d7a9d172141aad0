"""TensorFlow's checkpoints as tensors by name, read without TensorFlow: ``NAME.index`` and ``NAME.data-00000-of-00001``.

The index is a sorted table whose values are protobuf messages: under the empty key what holds for the whole file, under
each other key the dtype, shape, place and checksum of one tensor. The data file is the tensors' bytes and nothing else.
The messages are those of TensorFlow's tensor_bundle.proto and tensor_shape.proto; nothing in them can be executed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from mlzoo.errors import UnreadableFile
from mlzoo_m3gnet.readers import sstable
from mlzoo_m3gnet.readers.crc32c import crc32c, masked
from mlzoo_m3gnet.readers.sstable import varint

DTYPES: dict[int, np.dtype] = {1: np.dtype("<f4"), 2: np.dtype("<f8"), 3: np.dtype("<i4"), 9: np.dtype("<i8")}
STRING = 7  # TensorFlow's own notes on the graph of objects; no tensor
LARGEST_INDEX, LARGEST_DATA = 2**24, 2**30  # bytes
MOST_DIMENSIONS, LONGEST_DIMENSION = 8, 2**31


@dataclass(frozen=True)
class Entry:
    """Where a tensor lies."""

    dtype: int
    shape: tuple[int, ...]
    offset: int
    size: int  # bytes
    checksum: int | None


def files(prefix: Path) -> tuple[Path, Path]:
    """Index and data of the checkpoint of this name."""
    return prefix.with_name(f"{prefix.name}.index"), prefix.with_name(f"{prefix.name}.data-00000-of-00001")


def read(prefix: Path) -> dict[str, Tensor]:
    """Every tensor of a checkpoint, by its name there, with its checksum verified; text is left out.

    Raises :class:`UnreadableFile` that says which of the two files is wrong, and how.
    """
    index, data = files(prefix)
    found = _guarded(index, LARGEST_INDEX, lambda file, size: _index(file.read(size)))
    return _guarded(data, LARGEST_DATA, lambda file, size: _tensors(file, size, found))


def _guarded(path: Path, largest: int, read: Callable[[BinaryIO, int], Any]) -> Any:
    """What ``read`` makes of a file and its size; whatever is wrong with it, as :class:`UnreadableFile`."""
    try:
        if not path.is_file():
            raise FileNotFoundError("there is no file of that name")
        with path.open("rb") as file:
            if (size := path.stat().st_size) > largest:
                raise ValueError(f"it has {size} bytes, and more than {largest} are not read")
            return read(file, size)
    except OSError as error:
        raise UnreadableFile(
            f"{path}: {error.strerror or error}. A TensorFlow checkpoint is two files, NAME.index and "
            "NAME.data-00000-of-00001: check the path, or fetch them again."
        ) from error
    except ValueError as error:
        raise UnreadableFile(
            f"{path} is no part of a TensorFlow checkpoint as we can read it: {error}. Fetch both files again and compare "
            "their sizes and sha256 with those of the source."
        ) from error


def _index(table: bytes) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    header = None
    for key, value in sstable.entries(table):
        if not key:
            header = _message(value)
            continue
        name = key.decode("utf-8")
        if name in found:
            raise ValueError(f"it lists {name!r} twice")
        found[name] = _entry(name, _message(value))
    if header is None:
        raise ValueError("it has no header")
    shards, endianness = _number(header, 1), _number(header, 2)
    if shards != 1:
        raise ValueError(f"its data lie in {shards} files, and only one is supported")
    if endianness != 0:
        raise ValueError("its numbers are big-endian, which is not supported")
    if (version := _number(_message(_bytes(header, 3)), 2)) > 1:
        raise ValueError(f"it can only be read by what knows version {version} of its format, and we know 1")
    return found


def _entry(name: str, message: Mapping[int, list[int | bytes]]) -> Entry:
    shape = []
    described = _message(_bytes(message, 2))
    for dimension in described.get(2, []):
        if isinstance(dimension, int):
            raise ValueError(f"{name!r} has no shape")
        shape.append(_number(_message(dimension), 1))
    if _number(described, 3) or len(shape) > MOST_DIMENSIONS or any(each >= LONGEST_DIMENSION for each in shape):
        raise ValueError(f"{name!r} has the shape {shape[: MOST_DIMENSIONS + 1]}")
    if 7 in message:
        raise ValueError(f"{name!r} lies in slices, which are not supported")
    if _number(message, 3) != 0:
        raise ValueError(f"{name!r} lies in another file than the first, and only one is supported")
    checksum = _number(message, 6) if 6 in message else None
    return Entry(_number(message, 1), tuple(shape), _number(message, 4), _number(message, 5), checksum)


def _tensors(file: BinaryIO, size: int, index: Mapping[str, Entry]) -> dict[str, Tensor]:
    tensors, room = {}, size
    for name, entry in index.items():
        if entry.offset + entry.size > size:
            raise ValueError(
                f"{name!r} should lie at byte {entry.offset}, {entry.size} bytes long, but the file has {size} bytes"
            )
        room -= entry.size
        if room < 0:
            raise ValueError(f"with {name!r} its tensors have more bytes than the {size} of the file")
        if entry.dtype == STRING:
            continue
        if entry.dtype not in DTYPES:
            raise ValueError(f"{name!r} is of TensorFlow's dtype number {entry.dtype}, which is not supported")
        dtype = DTYPES[entry.dtype]
        if math.prod(entry.shape) * dtype.itemsize != entry.size:
            raise ValueError(f"{name!r} of shape {entry.shape} and {dtype} should not have {entry.size} bytes")
        file.seek(entry.offset)
        raw = file.read(entry.size)
        if entry.checksum is not None and masked(crc32c(raw)) != entry.checksum:
            raise ValueError(f"{name!r} does not have its checksum")
        values = np.frombuffer(raw, dtype).astype(dtype.newbyteorder("="))  # a copy, which may be written to
        tensors[name] = torch.from_numpy(values).reshape(entry.shape)
    return tensors


def _message(data: bytes) -> dict[int, list[int | bytes]]:
    """The fields of a protobuf message by number, each with its values in order."""
    fields: dict[int, list[int | bytes]] = {}
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        value: int | bytes
        match tag & 7:
            case 0:
                value, at = varint(data, at)
            case 1 | 5 as kind:
                width = 8 if kind == 1 else 4
                value, at = int.from_bytes(data[at : at + width], "little"), at + width
            case 2:
                width, at = varint(data, at)
                value, at = data[at : at + width], at + width
            case kind:
                raise ValueError(f"a message of it has a field of kind {kind}")
        if at > len(data):
            raise ValueError("a message of it is cut short")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _number(message: Mapping[int, list[int | bytes]], field: int) -> int:
    value = message.get(field, [0])[-1]
    if not isinstance(value, int):
        raise ValueError(f"field {field} of a message of it is no number")
    return value


def _bytes(message: Mapping[int, list[int | bytes]], field: int) -> bytes:
    value = message.get(field, [b""])[-1]
    if not isinstance(value, bytes):
        raise ValueError(f"field {field} of a message of it is no message")
    return value
