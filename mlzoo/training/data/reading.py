"""Files of labelled structures, read frame by frame."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from mlzoo.errors import UnreadableFile
from mlzoo.training.data.example import HEAD, Example
from mlzoo.training.data.frames import Frame, frames
from mlzoo.training.data.keys import SPELLINGS, Keys
from mlzoo.training.data.labelling import Reference, as_reference, read_frame

Paths = str | Path | Sequence[str | Path]
OnError = Literal["raise", "skip"]

SAME_ENERGY = 1e-6  # eV; by which two energies of one free atom may differ


@dataclass(frozen=True)
class Dataset:
    """What stands in some files."""

    examples: list[Example] = field(default_factory=list)
    references: dict[str, dict[int, float]] = field(default_factory=dict)  # eV of free atoms, by head and atomic number
    skipped: list[str] = field(default_factory=list)  # why a frame was left out, a sentence each
    found: dict[str, dict[str, int]] = field(default_factory=dict)  # {label: {key of the file: how many frames}}


def read(
    paths: Paths,
    keys: Keys | None = None,
    *,
    on_error: OnError = "raise",
    on_skip: Callable[[str], object] | None = None,
    on_reference: Callable[[Reference], object] | None = None,
) -> Iterator[Example]:
    """Labelled structures, one at a time: extxyz (also compressed), what ASE reads, and pymatgen's JSON.

    ``paths`` is a file, a pattern such as ``data/**/*.xyz``, or several; a file that is meant twice is read once. Free
    atoms go to ``on_reference``. Raises :class:`UnreadableFile` for a frame that cannot be read or whose labels are
    wrong; with ``on_error="skip"`` the sentence goes to ``on_skip`` and the next frame follows.
    """
    for read_one, _, _ in _read(paths, keys or Keys(), on_error):
        if isinstance(read_one, Example):
            yield read_one
        elif isinstance(read_one, Reference) and on_reference:
            on_reference(read_one)
        elif isinstance(read_one, UnreadableFile) and on_skip:
            on_skip(str(read_one))


def read_dataset(
    paths: Paths,
    keys: Keys | None = None,
    on_error: OnError = "raise",
    *,
    labels: Sequence[str] = (),
    by_head: bool = False,
) -> Dataset:
    """Everything at once, as :func:`read` reads it.

    ``labels`` are read under their own names where no key is said and a frame has them; free atoms count for the head
    that they carry where ``by_head``.

    Raises :class:`UnreadableFile` also where no frame has a key or a group that ``keys`` names, where two frames give
    one free atom different energies, and where nothing is left.
    """
    keys = keys or Keys()
    dataset, present = Dataset(), Counter[str]()
    free: list[Reference] = []
    own = {name: name for name in labels if name not in keys.known}
    extended = keys.model_copy(update={"labels": {**own, **keys.labels}})
    for read_one, chosen, beside in _read(paths, extended, on_error):
        present.update(beside)
        for label, key in chosen.items():
            counts = dataset.found.setdefault(label, {})
            counts[key] = counts.get(key, 0) + 1
        if isinstance(read_one, Example):
            dataset.examples.append(read_one)
        elif isinstance(read_one, Reference):
            free.append(read_one if by_head else replace(read_one, head=HEAD))
        else:
            dataset.skipped.append(str(read_one))
    dataset.references.update(references_by_head(free))
    _check(dataset, paths, keys, present)
    return dataset


def references_by_head(free: Iterable[Reference]) -> dict[str, dict[int, float]]:
    """Energies of free atoms in eV, by head and atomic number. Raises :class:`UnreadableFile` where two disagree."""
    references: dict[str, dict[int, float]] = {}
    sources: dict[str, dict[int, str]] = {}
    for each in free:
        _keep(each, references.setdefault(each.head, {}), sources.setdefault(each.head, {}))
    return references


def read_references(paths: Paths, keys: Keys | None = None) -> dict[int, float]:
    """Energies of free atoms in eV by atomic number, from files of nothing else; ``config_type`` need not say so.

    Raises :class:`UnreadableFile` for a frame of several atoms or without an energy.
    """
    keys = keys or Keys()
    references: dict[int, float] = {}
    sources: dict[int, str] = {}
    for path in files(paths):
        for frame in frames(path):
            if isinstance(frame, UnreadableFile):
                raise frame
            _keep(as_reference(frame, keys), references, sources)
    return references


def files(paths: Paths) -> list[Path]:
    """The files that are meant, each once; those of a pattern in the order of their names.

    Raises :class:`UnreadableFile` for a pattern that nothing matches.
    """
    found: dict[str, Path] = {}
    for each in [paths] if isinstance(paths, str | Path) else paths:
        for path in _matching(Path(each)):
            found.setdefault(os.path.realpath(path), path)
    return list(found.values())


def _matching(path: Path) -> list[Path]:
    if path.exists() or not glob.has_magic(str(path)):
        return [path]
    matching = sorted(Path(each) for each in glob.glob(str(path), recursive=True) if not os.path.isdir(each))
    if not matching:
        raise UnreadableFile(f"no file matches {path}. Check the pattern and the folder it starts from.")
    return matching


Read = tuple[Example | Reference | UnreadableFile, dict[str, str], tuple[str, ...]]
"""What a frame is or why it could not be read; {label: key}; all of its keys."""


def _read(paths: Paths, keys: Keys, on_error: OnError) -> Iterator[Read]:
    for path in files(paths):
        for frame in frames(path):
            try:
                yield _examined(frame, keys)
            except UnreadableFile as error:
                if on_error == "raise":
                    raise
                yield error, {}, ()


def _examined(frame: Frame | UnreadableFile, keys: Keys) -> Read:
    if isinstance(frame, UnreadableFile):
        raise frame
    read_one, chosen = read_frame(frame, keys)
    return read_one, chosen, tuple(frame.values)


def _keep(reference: Reference, references: dict[int, float], sources: dict[int, str]) -> None:
    number, energy = reference.atomic_number, reference.energy
    if abs(references.setdefault(number, energy) - energy) > SAME_ENERGY:
        raise UnreadableFile(
            f"frame {reference.source} gives the free atom of atomic number {number} an energy of {energy} eV, and frame "
            f"{sources[number]} one of {references[number]} eV. Keep the one of your level of theory."
        )
    sources.setdefault(number, reference.source)


def _check(dataset: Dataset, paths: Paths, keys: Keys, present: Counter[str]) -> None:
    meant = ", ".join(map(str, files(paths)))
    if not dataset.examples:
        reason = f" The first frame that was left out: {dataset.skipped[0]}" if dataset.skipped else ""
        others = " but free atoms" if dataset.references else ""
        raise UnreadableFile(f"there is nothing to learn from{others} in {meant}.{reason or ' Check the path.'}")
    for label, key in keys.named.items():
        if label not in dataset.found and present[key] == 0:
            offered = ", ".join(sorted(present)) or "none"
            said = f"keys.{label}" if label in SPELLINGS else f"keys.labels.{label}"
            raise UnreadableFile(f"no frame of {meant} has {key!r}, which {said} names. Keys in the files: {offered}.")
    groups = {example.group for example in dataset.examples}
    for group in keys.group_weights:
        if group not in groups:
            raise UnreadableFile(
                f"no frame of {meant} is of group {group!r}, which keys.group_weights names. Groups by "
                f"{keys.group_key!r} are {', '.join(sorted(groups))}."
            )
