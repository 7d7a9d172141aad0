"""Which files a run reads: paths, and patterns that are expanded here because a shell's list of arguments is finite."""

from __future__ import annotations

import glob
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mlzoo.errors import UnreadableFile

if TYPE_CHECKING:
    from mlzoo.cli.files import FrameRead


@dataclass(frozen=True)
class Input:
    """One file of a run."""

    place: int  # among the files of the run
    path: str
    done: frozenset[int] = frozenset()  # frames that need no answer any more
    opened: Iterator[FrameRead] | None = None  # its frames, where somebody has begun to read


def expand(words: Sequence[str], outputs: Collection[Path] = ()) -> list[str]:
    """The files that paths and patterns name, in the order of the words, those of a pattern sorted, each file once.

    A pattern never names one of ``outputs``, which may stand in the same folder.
    """
    no_inputs = {os.path.abspath(path) for path in outputs}
    found: dict[str, str] = {}
    for word in words:
        for path in _named(word, no_inputs):
            found.setdefault(os.path.abspath(path), path)
    return list(found.values())


def chunks(paths: Sequence[str], done: Mapping[str, Sequence[int]], size: int, index: str) -> Iterator[list[Input]]:
    """The files that are not done, ``size`` at a time, each with the frames that are (by absolute path)."""
    inputs = _inputs(paths, done, index)
    while chunk := list(islice(inputs, size)):
        yield chunk


def _inputs(paths: Sequence[str], done: Mapping[str, Sequence[int]], index: str) -> Iterator[Input]:
    for place, path in enumerate(paths):
        there = frozenset(done.get(os.path.abspath(path), ())) if done else frozenset()
        if not (0 in there and index in ("0", ":") and (index == "0" or _has_one_frame(path))):
            yield Input(place, path, there)


def _has_one_frame(path: str) -> bool:
    """Whether that is sure without reading the file, which takes most of the time where everything is done."""
    name = os.path.basename(path)
    if name.endswith(".cif"):
        with suppress(OSError):
            return Path(path).read_bytes().lower().count(b"data_") <= 1
    return (name.startswith(("POSCAR", "CONTCAR")) and "xyz" not in name) or name.endswith((".poscar", ".vasp"))


def _named(word: str, no_inputs: Collection[str]) -> list[str]:
    if os.path.isdir(word):
        raise typer.BadParameter(f"{word} is a folder: name its files, '{os.path.join(word, '*')}' for all of them")
    if os.path.lexists(word):
        return [word]
    if not glob.has_magic(word):
        raise UnreadableFile(f"{word} is no file. Check the path.")
    matches = glob.glob(os.path.expanduser(word), recursive=True)
    files = sorted(path for path in matches if not os.path.isdir(path))
    if no_inputs:
        files = [path for path in files if os.path.abspath(path) not in no_inputs]
    if not files:
        only = f"only folders, {matches[0]} for one" if matches else "no file"
        below = " `**` stands for folders in folders: 'data/**/*.cif'." if "**" not in word else ""
        raise UnreadableFile(f"the pattern {word!r} matches {only}. Check it.{below}")
    return files
