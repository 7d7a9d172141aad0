"""A trajectory that grows frame by frame, and can be continued after whatever ended it."""

from __future__ import annotations

import json
import mmap
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from ase import Atoms
from ase.io import read, write
from ase.io.trajectory import Trajectory
from ase.io.ulm import N1, VERSION

from mlzoo.cli.console import tell
from mlzoo.cli.files import check_output, output_format, replacing
from mlzoo.errors import UnreadableFile
from mlzoo.xyz_frames import pieces

FORMATS = {"traj": "NAME.traj (exact)", "extxyz": "NAME.extxyz (8 decimals)"}


def check_trajectory(path: Path, source: Path, restart: bool, overwrite: bool) -> None:
    """Refuse before any work what could not be written, and what would delete hours of work."""
    check_output(path, source)
    if output_format(path) not in FORMATS:
        raise typer.BadParameter(f"{path} is not a trajectory: name it {' or '.join(FORMATS.values())}")
    if restart and overwrite:
        raise typer.BadParameter("--restart continues what is there, --overwrite deletes it: choose one")
    if path.exists() and path.stat().st_size and not restart and not overwrite:
        raise typer.BadParameter(f"{path} is there already: --restart continues it, --overwrite starts anew")


def last_frame(path: Path) -> Atoms | None:
    """The last whole frame, None where there is none; whatever is behind it was cut short and is removed."""
    if not path.exists() or not path.stat().st_size:
        return None
    return _last_of_xyz(path) if output_format(path) == "extxyz" else _last_of_traj(path)


@contextmanager
def growing(path: Path, description: Mapping[str, Any], *, anew: bool) -> Iterator[Callable[[Atoms], None]]:
    """A function that appends a frame, which is in the file when it returns; one that is broken off is not in it."""
    if anew:
        path.unlink(missing_ok=True)
    if output_format(path) == "extxyz":
        with path.open("a") as file:

            def append(frame: Atoms) -> None:
                write(file, frame, format="extxyz")
                file.flush()

            yield append
    else:
        trajectory = Trajectory(str(path), "a")
        trajectory.set_description(dict(description))
        try:
            yield trajectory.write
        finally:
            trajectory.backend.fd.close()  # its own close() would make a frame of the part that was written


def _last_of_xyz(path: Path) -> Atoms | None:
    last = None
    with path.open("rb") as file:
        for piece in pieces(file):
            if piece.whole:
                last = piece
    end = last.end if last else 0
    if end < path.stat().st_size:
        tell(f"warning: {path} is cut short after its last whole frame; going on from there.")
        with path.open("r+b") as file:
            file.truncate(end)
    return last.atoms() if last else None


def _last_of_traj(path: Path) -> Atoms | None:
    try:
        return read(str(path), index=-1, format="traj")
    except Exception:  # a file cut short fails in as many ways as there are places to cut it
        tell(f"warning: {path} is cut short after its last whole frame; going on from there.")
    _mend(path)
    return read(str(path), index=-1, format="traj")


def _mend(path: Path) -> None:
    """Write a .traj (ASE's ULM format) anew up to its last whole frame.

    A frame is its arrays, then the length of a JSON text (int64), then that text, which says where the arrays are. The
    file begins with 24 bytes of name, then version, number of frames and place of the table of frames (int64 each).
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        found = [place for match in re.finditer(rb'\{"', data) if (place := _frame_at(data, match.start()))]
        if not found:
            raise UnreadableFile(f"{path} holds no whole frame to continue from. Start anew with --overwrite.")
        places, end = [begin for begin, _ in found], max(end for _, end in found)
        end_aligned = -(-end // 8) * 8
        rows = 1
        while rows < len(places):
            rows *= N1
        table = struct.pack(f"={rows}q", *places, *[0] * (rows - len(places)))
        with replacing(path) as part, part.open("wb") as new:
            new.write(data[:24] + struct.pack("=3q", VERSION, len(places), end_aligned))
            for begin in range(48, end, 1 << 24):
                new.write(data[begin : min(begin + (1 << 24), end)])
            new.write(b"#" * (end_aligned - end) + table)


def _frame_at(data: mmap.mmap, begin: int) -> tuple[int, int] | None:
    """Place of a frame and the byte after it, where the JSON text at ``begin`` is that of a whole frame."""
    if begin < 56:
        return None
    (length,) = struct.unpack("=q", data[begin - 8 : begin])
    if not 2 < length <= len(data) - begin:
        return None
    try:
        said = json.loads(data[begin : begin + length])
    except ValueError:
        return None
    return (begin - 8, begin + length) if isinstance(said, dict) and "positions." in said else None
