"""An (ext)xyz file as separate frames, so that a broken one does not take the others with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedIOBase, StringIO

from ase import Atoms
from ase.io.extxyz import read_xyz


@dataclass(frozen=True)
class Piece:
    """The text of one frame, or of lines that make none: ``problem`` says why."""

    content: bytes
    end: int  # byte after it in the file
    problem: str | None = None  # "begins with ..." or "announces ..."

    @property
    def whole(self) -> bool:
        """Whether it was written to its end: a number that is cut short still looks like a number."""
        return self.problem is None and self.content.endswith(b"\n")

    def atoms(self, errors: str = "replace") -> Atoms:
        """Parse it; ``errors`` is what to do with bytes that are no UTF-8. Raises what ASE raises."""
        return next(read_xyz(StringIO(self.content.decode("utf-8", errors)), 0))


def pieces(file: BufferedIOBase) -> Iterator[Piece]:
    """Split a file into frames, by the line with the number of atoms that each begins with.

    >>> from io import BytesIO
    >>> [piece.problem for piece in pieces(BytesIO(b"1\\n\\nH 0 0 0\\n2\\n\\nH 0 0 0\\n"))]
    [None, 'announces 2 atoms and has 1']
    """
    line = file.readline()
    while line:
        if not line.strip():
            line = file.readline()
            continue
        announced = _count(line)
        taken, line, problem = (
            _skip(line, file) if announced is None else _frame(line, announced, file)
        )  # `line` is the first that belongs to the next frame
        yield Piece(b"".join(taken), file.tell() - len(line), problem)


def _frame(first: bytes, announced: int, file: BufferedIOBase) -> tuple[list[bytes], bytes, str | None]:
    taken = [first, file.readline()]  # the second line is a comment, whatever it holds
    line = file.readline()
    while len(taken) < announced + 2:
        if not line or _count(line) is not None:
            return taken, line, f"announces {announced} atoms and has {len(taken) - 2}"
        taken.append(line)
        line = file.readline()
    while line.startswith(b"VEC"):  # lattice vectors written as pseudo-atoms
        taken.append(line)
        line = file.readline()
    return taken, line, None


def _skip(line: bytes, file: BufferedIOBase) -> tuple[list[bytes], bytes, str]:
    problem = f"begins with {line.decode('utf-8', errors='replace').strip()[:60]!r} instead of the number of atoms"
    taken = []
    while line and _count(line) is None:
        taken.append(line)
        line = file.readline()
    return taken, line, problem


def _count(line: bytes) -> int | None:
    """The number of atoms, where that is all the line says."""
    word = line.strip()
    return int(word) if word.isdigit() else None
