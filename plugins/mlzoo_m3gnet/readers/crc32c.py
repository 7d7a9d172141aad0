"""CRC-32C (Castagnoli), the checksum of LevelDB's tables and of TensorFlow's files; RFC 3720, section 12.1."""

POLYNOMIAL = 0x82F63B78  # bits in reverse


def _table() -> tuple[int, ...]:
    remainders = list(range(256))
    for _ in range(8):
        remainders = [value >> 1 ^ (POLYNOMIAL if value & 1 else 0) for value in remainders]
    return tuple(remainders)


TABLE = _table()


def crc32c(data: bytes) -> int:
    """The checksum; a megabyte takes about a tenth of a second.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    table, crc = TABLE, 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def masked(crc: int) -> int:
    """How a checksum is stored, so that it can itself be part of data under a checksum."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
