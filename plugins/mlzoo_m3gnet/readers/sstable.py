"""LevelDB's sorted table, as TensorFlow keeps the index of a checkpoint in: byte strings by key, in checked blocks.

Every block ends with one byte that tells its compression and with its checksum. The footer at the end of the file
points to the index block, and that to the blocks with data. Whatever a file claims, no more is read than it holds.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from mlzoo_m3gnet.readers.crc32c import crc32c, masked

MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
FOOTER = 48  # bytes: two handles, padding, magic
TRAILER = 5  # bytes: compression, checksum
COMPRESSIONS = {1: "Snappy", 2: "zstd"}
LONGEST_KEY = 4096  # bytes
MOST_ENTRIES = 100_000


def varint(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned number of up to 64 bits, seven a byte, lowest first; and where the next thing begins."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ValueError("it ends within a number")
        byte = data[at]
        value, at = value | (byte & 0x7F) << shift, at + 1
        if byte < 0x80:
            return value, at
    raise ValueError("a number of more than 64 bits")


def entries(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of the table in its order. Raises :class:`ValueError` for anything that is not such a table."""
    if len(table) < FOOTER or not table.endswith(MAGIC):
        raise ValueError("it does not end as a sorted table of LevelDB's does")
    at = len(table) - FOOTER
    _, _, at = _handle(table, at)  # of the blocks with other data, of which there are none
    start, size, _ = _handle(table, at)
    behind, count = 0, 0
    for _, where in _pairs(_block(table, start, size)):
        start, size, _ = _handle(where, 0)
        if start < behind:
            raise ValueError(f"its block at byte {start} begins within the one before it")
        behind = start + size + TRAILER
        for pair in _pairs(_block(table, start, size)):
            count += 1
            if count > MOST_ENTRIES:
                raise ValueError(f"it has more than {MOST_ENTRIES} entries")
            yield pair


def _handle(data: bytes, at: int) -> tuple[int, int, int]:
    """Where a block begins and its size in bytes; and where the next thing begins."""
    start, at = varint(data, at)
    size, at = varint(data, at)
    return start, size, at


def _block(table: bytes, start: int, size: int) -> bytes:
    end = start + size
    if end + TRAILER > len(table) - FOOTER:
        raise ValueError(f"its block at byte {start} of {size} bytes reaches beyond the {len(table)} bytes of the file")
    compression, stored = struct.unpack_from("<BI", table, end)
    if masked(crc32c(table[start : end + 1])) != stored:
        raise ValueError(f"its block at byte {start} does not have its checksum")
    if compression:
        name = COMPRESSIONS.get(compression, f"method {compression}")
        raise ValueError(f"its block at byte {start} is compressed with {name}, which is not supported")
    return table[start:end]


def _pairs(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each key repeats the beginning of the one before it, but at the restart points listed at the end of the block."""
    if len(block) < 4:
        raise ValueError("it has a block without a list of restarts")
    (restarts,) = struct.unpack_from("<I", block, len(block) - 4)
    end = len(block) - 4 * (restarts + 1)
    if end < 0:
        raise ValueError(f"it has a block of {len(block)} bytes with {restarts} restarts")
    key, at = b"", 0
    while at < end:
        shared, at = varint(block, at)
        own, at = varint(block, at)
        size, at = varint(block, at)
        if shared > len(key) or shared + own > LONGEST_KEY or at + own + size > end:
            raise ValueError("it has an entry that does not fit into its block")
        key = key[:shared] + block[at : at + own]
        yield key, block[at + own : at + own + size]
        at += own + size
