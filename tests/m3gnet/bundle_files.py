"""Writes small TensorFlow checkpoints, right and wrong ones, from the description of the format."""

import struct
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from mlzoo_m3gnet.readers.crc32c import crc32c, masked
from mlzoo_m3gnet.readers.sstable import MAGIC

FLOAT32, FLOAT64, INT64, STRING = 1, 2, 9, 7
NUMBERS = {"float32": FLOAT32, "float64": FLOAT64, "int64": INT64}


def varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def message(fields: Iterable[tuple[int, int | bytes]]) -> bytes:
    """A protobuf message of numbers and nested messages."""
    parts = []
    for field, value in fields:
        if isinstance(value, int):
            parts.append(varint(field << 3) + varint(value))
        else:
            parts.append(varint(field << 3 | 2) + varint(len(value)) + value)
    return b"".join(parts)


def header(shards: int = 1, endianness: int = 0, min_consumer: int = 0) -> bytes:
    return message([(1, shards), (2, endianness), (3, message([(1, 1), (2, min_consumer)]))])


def entry(dtype: int, shape: Iterable[int], offset: int, raw: bytes, shard: int = 0, size: int | None = None) -> bytes:
    dimensions = message([(2, message([(1, each)])) for each in shape])
    fields = [(1, dtype), (2, dimensions), (3, shard), (4, offset), (5, len(raw) if size is None else size)]
    return message(fields) + varint(6 << 3 | 5) + struct.pack("<I", masked(crc32c(raw)))


def block(pairs: Iterable[tuple[bytes, bytes]], compression: int = 0) -> bytes:
    """Keys share what they can with the one before; one restart point, at the beginning."""
    content, before = b"", b""
    for key, value in pairs:
        shared = next(
            (i for i, (a, b) in enumerate(zip(key, before, strict=False)) if a != b), min(map(len, (key, before)))
        )
        content += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    content += struct.pack("<II", 0, 1)
    sealed = content + bytes([compression])
    return sealed + struct.pack("<I", masked(crc32c(sealed)))


def table(entries: dict[str, bytes], compression: int = 0) -> bytes:
    """A table of two data blocks, so that both kinds of block are read."""
    pairs = [(key.encode(), value) for key, value in sorted(entries.items())]
    half = (len(pairs) + 1) // 2
    content, places = b"", []
    for part in (pairs[:half], pairs[half:], []):  # the last is that of other data, which is empty
        written = block(part, compression)
        places.append(varint(len(content)) + varint(len(written) - 5))
        content += written
    index = block([(b"k", places[0]), (b"l", places[1])])
    footer = places[2] + varint(len(content)) + varint(len(index) - 5)
    return content + index + footer.ljust(40, b"\0") + MAGIC


def write(prefix: Path, tensors: dict[str, np.ndarray], **changes: bytes) -> Path:
    """A checkpoint of these tensors; ``changes`` replace entries of its index."""
    entries, data = {"": header()}, b""
    for name, tensor in tensors.items():
        raw = tensor.tobytes()
        entries[name] = entry(NUMBERS[tensor.dtype.name], tensor.shape, len(data), raw)
        data += raw
    prefix.with_name(f"{prefix.name}.index").write_bytes(table(entries | changes))
    prefix.with_name(f"{prefix.name}.data-00000-of-00001").write_bytes(data)
    return prefix
