"""Structures in, structures out: every frame accounted for, no file half-written, no input overwritten."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import typer
from ase import Atoms
from ase.calculators.calculator import all_properties
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import iread, read
from ase.io.formats import UnknownFileTypeError, filetype, ioformats

from mlzoo.errors import InvalidStructure, UnreadableFile
from mlzoo.xyz_frames import Piece, pieces

T = TypeVar("T")

FrameRead = tuple[int, Atoms | Exception]
"""Index of a frame in its file, and what was read or why it could not be."""


# In


def read_frames(path: Path, index: str = ":") -> Iterator[FrameRead]:
    """Every frame of ``index`` (a number or a slice), read as it is asked for; one that is broken is an exception.

    Raises :class:`UnreadableFile` where there is no file, an unknown format, or not one frame that can be read.
    """
    wanted = parse_index(index)
    kind = _format(path)
    splits = kind == "extxyz" and path.suffix not in (".gz", ".bz2", ".xz")
    any_whole = False
    broken_first: list[FrameRead] = []  # told with the others once a frame shows that this is a file of structures
    for number, frame in _xyz_frames(path, wanted) if splits else _ase_frames(path, kind, wanted):
        if isinstance(frame, Atoms):
            any_whole = True
            yield from broken_first
            broken_first.clear()
            yield number, frame
        elif any_whole:
            yield number, frame
        else:
            broken_first.append((number, frame))
    if not any_whole:
        frame = f"frame {index}" if index != ":" else "structure in it"
        reason = _reason(broken_first[0][1]) if broken_first else f"there is no {frame}."
        raise UnreadableFile(f"{path} (read as {kind}) holds no structure that can be read: {reason}")


def read_structure(path: Path, index: int = -1) -> Atoms:
    """One frame. Raises :class:`UnreadableFile`."""
    for _, frame in read_frames(path, str(index)):
        if isinstance(frame, Atoms):
            return frame
    raise UnreadableFile(f"{path} has no frame {index}.")


def parse_index(index: str) -> int | slice:
    """As in ASE and NumPy: ``0``, ``-1``, ``:``, ``10:20``, ``::5``."""
    if re.fullmatch(r"-?\d+", index):
        return int(index)
    if not re.fullmatch(r"(-?\d*)?:(-?\d*)?(:-?[1-9]\d*)?", index):
        raise typer.BadParameter(f"--index {index!r} is neither a number nor a slice such as : or 10:20 or ::5")
    return slice(*(int(part) if part not in ("", "-") else None for part in index.split(":")))


def _format(path: Path) -> str:
    if path.is_dir() or not path.exists():
        raise UnreadableFile(f"{path} is {'a folder' if path.is_dir() else 'no file'}. Check the path.")
    try:
        return filetype(str(path))
    except UnknownFileTypeError:
        raise UnreadableFile(
            f"{path} is in no format that ASE recognises. Convert it, to extxyz for example."
        ) from None
    except (UnicodeDecodeError, EOFError) as error:
        raise UnreadableFile(f"{path} cannot be read: {one_line(error)}") from None


def _xyz_frames(path: Path, wanted: int | slice) -> Iterator[FrameRead]:
    with path.open("rb") as file:
        for number, piece in _select(enumerate(pieces(file)), wanted):
            yield number, _parsed(piece)


def _parsed(piece: Piece) -> Atoms | Exception:
    if piece.problem:
        return UnreadableFile(f"the frame {piece.problem}")
    try:
        return piece.atoms()
    except Exception as error:  # whatever ASE's parser stumbles over
        return error


def _ase_frames(path: Path, kind: str, wanted: int | slice) -> Iterator[FrameRead]:
    """Other formats cannot be picked up again behind an error: it stands for all that follow."""
    number = -1
    try:
        if isinstance(wanted, int):
            yield wanted, read(str(path), wanted, format=kind, do_not_split_by_at_sign=True)
            return
        every = enumerate(iread(str(path), ":", format=kind, do_not_split_by_at_sign=True))
        for number, atoms in _select(every, wanted):
            yield number, atoms
    except (IndexError, StopIteration):  # no such frame
        return
    except Exception as error:
        behind = UnreadableFile(f"{one_line(error)} (nothing behind it can be read)")
        yield number + 1, behind if number >= 0 else error


def _select(frames: Iterator[tuple[int, T]], wanted: int | slice) -> Iterable[tuple[int, T]]:
    if isinstance(wanted, int):
        wanted = slice(wanted, wanted + 1 or None)
    bounds = wanted.start, wanted.stop, wanted.step
    if any(bound is not None and bound < 0 for bound in bounds):
        return list(frames)[wanted]
    return islice(frames, *bounds)


def _reason(error: object) -> str:
    return one_line(error) if isinstance(error, Exception) and not isinstance(error, UnreadableFile) else str(error)


def one_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


# Out


def frame_of(
    atoms: Atoms, results: dict[str, Any], provenance: dict[str, Any], of_atoms: Collection[str] = ()
) -> Atoms:
    """A copy that carries results: those ASE knows in a calculator, the others in ``info``, or ``arrays`` if ``of_atoms``.

    The provenance of the model stands in ``info["mlzoo"]``, and so in the header of an extxyz frame.
    """
    frame = atoms.copy()
    frame.info["mlzoo"] = provenance
    known = {name: value for name, value in results.items() if name in all_properties}
    for name in known:  # the file may have carried its own under the same names
        frame.info.pop(name, None)
        frame.arrays.pop(name, None)
    for name in results.keys() - known.keys():
        (frame.arrays if name in of_atoms else frame.info)[name] = results[name]
    frame.calc = SinglePointCalculator(frame, **known)
    return frame


def evaluated(atoms: Atoms) -> Atoms:
    """A copy with what the calculator said last of energy, forces and stress."""
    results = {name: atoms.calc.results[name] for name in ("energy", "forces", "stress") if name in atoms.calc.results}
    copies = {name: value.copy() if hasattr(value, "copy") else value for name, value in results.items()}
    return frame_of(atoms, copies, atoms.calc.predictor.provenance)


def check_output(out: Path, source: Path | None = None) -> None:
    """Refuse before any work is done: the input itself, a folder, a folder that is not there."""
    if source and out.exists() and source.exists() and out.samefile(source):
        raise typer.BadParameter(f"{out} is the input, which is never overwritten: choose another name")
    if out.is_dir():
        raise typer.BadParameter(f"{out} is a folder: give the name of a file")
    if not out.parent.is_dir():
        raise typer.BadParameter(f"{out} cannot be written: there is no folder {out.parent}")


def output_format(out: Path) -> str:
    """ASE's name of the format that this file name asks for."""
    try:
        kind = filetype(str(out), read=False)
    except UnknownFileTypeError:
        kind = ""
    if kind not in ioformats or not ioformats[kind].can_write:
        raise typer.BadParameter(f"{out} has an ending that names no format: call it {out.stem}.extxyz, for example")
    return kind


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name to write to; the file or folder takes its place when all is written, and vanishes where something goes wrong."""
    part = path.with_name(f".part-{os.getpid()}-{path.name}")
    try:
        yield part
        if part.exists():
            part.replace(path)
    finally:
        if part.is_dir():
            shutil.rmtree(part)
        part.unlink(missing_ok=True)


def check_has_volume(atoms: Atoms, what: str) -> None:
    from mlzoo.structures import structure_from

    if not structure_from(atoms).has_volume:
        raise InvalidStructure(
            f"{what} needs a periodic structure whose cell has a volume (pbc={atoms.pbc.tolist()}, "
            f"cell lengths {atoms.cell.lengths().round(3).tolist()} Å). Set pbc and the cell, or leave the cell alone."
        )
