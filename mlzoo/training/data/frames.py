"""The frames of a file, each by itself: what it is a structure of, and everything that stands beside it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.io import iread
from ase.io.formats import UnknownFileTypeError, filetype, ioformats, open_with_compression

from mlzoo.errors import UnreadableFile
from mlzoo.training.data.json_records import is_json, records
from mlzoo.xyz_frames import Piece, pieces

CUT_SHORT = (OSError, EOFError, UnicodeDecodeError, zlib.error)


@dataclass(frozen=True)
class Frame:
    """One structure as it was read, and what the file says of it by the file's own names."""

    source: str  # file:frame, counted from 0
    structure: Any  # ase.Atoms, or a pymatgen Structure or Molecule
    values: Mapping[str, Any]  # results of ASE's calculator too
    carried: Mapping[str, Any]  # of these, what was written beside the structure: charge, head, ... may be among it


def frames(path: Path) -> Iterator[Frame | UnreadableFile]:
    """Every frame of a file, read as it is asked for; one that is broken is an error that names it.

    extxyz goes on behind a broken frame, and so does JSON; in other formats the error stands for all that follow.
    Raises :class:`UnreadableFile` where there is no file, or one in no format that ASE or pymatgen wrote.
    """
    if path.is_dir() or not path.exists():
        raise UnreadableFile(f"{path} is {'a folder' if path.is_dir() else 'no file'}. Check the path.")
    if is_json(path):
        return _json_frames(path)
    try:
        kind = filetype(str(path))
    except UnknownFileTypeError:
        kind = ""
    except CUT_SHORT as error:
        raise UnreadableFile(f"{path} cannot be read ({error}). Copy or download it again.") from None
    if kind not in ioformats:  # ASE falls back on the ending of the name
        raise UnreadableFile(f"{path} is in no format that ASE recognises. Convert it, to extxyz for example.")
    return _xyz_frames(path) if kind == "extxyz" else _ase_frames(path, kind)


def broken(source: str, why: str) -> UnreadableFile:
    return UnreadableFile(f"frame {source} cannot be read: {why}")


def _xyz_frames(path: Path) -> Iterator[Frame | UnreadableFile]:
    number = -1
    try:
        with open_with_compression(str(path), "rb") as file:
            for number, piece in enumerate(pieces(file)):
                yield _parsed(f"{path}:{number}", piece)
    except CUT_SHORT as error:
        yield broken(f"{path}:{number + 1}", f"{error}. Nothing behind it is read; copy or download the file again.")


def _parsed(source: str, piece: Piece) -> Frame | UnreadableFile:
    if piece.problem:
        return broken(source, f"it {piece.problem}. Complete it or take it out of the file.")
    try:
        return _frame(source, piece.atoms("strict"))
    except Exception as error:  # whatever ASE's parser stumbles over
        return broken(source, f"{_one_line(error)}. Correct the frame or take it out of the file.")


def _ase_frames(path: Path, kind: str) -> Iterator[Frame | UnreadableFile]:
    number = -1
    try:
        for number, atoms in enumerate(iread(str(path), ":", format=kind, do_not_split_by_at_sign=True)):
            yield _frame(f"{path}:{number}", atoms)
    except Exception as error:
        why = (
            f"{_one_line(error)} (read as {kind}). Nothing behind it is read; correct the file or convert it to extxyz."
        )
        yield broken(f"{path}:{number + 1}", why)


def _frame(source: str, atoms: Atoms) -> Frame:
    """``info`` and ``arrays`` before the calculator's results; the columns of a row of ASE's database count as ``info``."""
    beside: dict[str, Any] = {}
    for each in (atoms.info.get("key_value_pairs"), atoms.info.get("data"), atoms.info):
        beside |= each or {}
    beside = {name: value for name, value in beside.items() if value is not None}
    per_atom = {name: array for name, array in atoms.arrays.items() if name not in ("numbers", "positions")}
    results = {name: value for name, value in (atoms.calc.results if atoms.calc else {}).items() if value is not None}
    return Frame(source, atoms, {**results, **per_atom, **beside}, beside)


def _json_frames(path: Path) -> Iterator[Frame | UnreadableFile]:
    kept = records(path)
    if kept is None:  # a database of ASE's
        yield from _ase_frames(path, "json")
        return
    for number, record in enumerate(kept):
        source = f"{path}:{number}"
        try:
            structure, values = record()
            yield Frame(source, structure, values, values)
        except Exception as error:  # whatever pymatgen stumbles over
            yield broken(source, f"{_one_line(error)}. Correct the record or take it out of the file.")


def _one_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0].rstrip('.')}" if lines else type(error).__name__
