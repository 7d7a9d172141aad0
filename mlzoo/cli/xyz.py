"""An (ext)xyz file as separate frames, so that a broken one does not take the others with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import BinaryIO

from ase import Atoms
from ase.io import read


@dataclass(frozen=True)
class Piece:
    """The text of one frame, or of lines that make none: ``problem`` says why."""

    text: str
    end: int  # byte after it in the file
    problem: str | None = None

    @property
    def whole(self) -> bool:
        """Whether it was written to its end: a number that is cut short still looks like a number."""
        return self.problem is None and self.text.endswith("\n")

    def atoms(self) -> Atoms:
        """Parse it. Raises what ASE raises."""
        return read(StringIO(self.text), format="extxyz")


def pieces(path: Path) -> Iterator[Piece]:
    """Split a file into frames, by the line with the number of atoms that each begins with."""
    with path.open("rb") as file:
        line = file.readline()
        while line:
            if not line.strip():
                line = file.readline()
                continue
            announced = _count(line)
            taken, line, problem = (
                _skip(line, file) if announced is None else _frame(line, announced, file)
            )  # `line` is the first that belongs to the next frame
            yield Piece(b"".join(taken).decode("utf-8", errors="replace"), file.tell() - len(line), problem)


def _frame(first: bytes, announced: int, file: BinaryIO) -> tuple[list[bytes], bytes, str | None]:
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


def _skip(line: bytes, file: BinaryIO) -> tuple[list[bytes], bytes, str]:
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
