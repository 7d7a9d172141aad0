"""Which examples are learned from, and which only tell how well: never one of them both."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, overload

import numpy as np
from annotated_types import Ge, Lt
from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from mlzoo.errors import InvalidSplit
from mlzoo.structures import Structure
from mlzoo.training.data.example import Example
from mlzoo.training.data.examples import Examples
from mlzoo.training.data.reading import files as files_of

FRACTION = 0.1  # of the examples, where nothing is said

GRID = 1e-6  # Å; structures that agree on it are one structure, which is not torn apart


class Split(BaseModel):
    """What is held back for validation: a fraction or a count by lot, what stands in some files, or a fold.

    One of ``fraction``, ``count``, ``files`` and ``fold_key`` with ``fold``; a tenth by lot where nothing is said, and
    ``fraction=0`` for no validation at all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fraction: Annotated[float, Ge(0), Lt(1)] | None = None
    count: Annotated[int, Ge(0)] | None = None
    seed: Annotated[int, Ge(0)] = 0
    files: tuple[str, ...] = ()  # or patterns; they have to be among those that the examples were read from
    fold_key: str | None = None  # a column: what each structure carries under this name
    fold: tuple[str | int, ...] = ()  # the values of it that are held back

    @field_validator("files", "fold", mode="before")
    @classmethod
    def _one_or_several(cls, said: Any) -> Any:
        """``fold=3`` is short for ``fold=(3,)``, and a file may be a path."""
        several = (said,) if isinstance(said, str | int | Path) else said
        return tuple(str(each) if isinstance(each, Path) else each for each in several)

    @model_validator(mode="after")
    def _one_way(self) -> Split:
        said = {
            "fraction": self.fraction is not None,
            "count": self.count is not None,
            "files": bool(self.files),
            "fold_key": self.fold_key is not None,
        }
        ways = [name for name, is_said in said.items() if is_said]
        if len(ways) > 1:
            raise ValueError(f"a split is made in one way, and {' and '.join(ways)} are several. Keep one")
        if (self.fold_key is None) != (not self.fold):
            raise ValueError("fold_key and fold belong together: the column, and which of its values are held back")
        return self


@overload
def split(examples: Examples, how: Split | None = None) -> tuple[Examples, Examples]: ...
@overload
def split(examples: Sequence[Example], how: Split | None = None) -> tuple[list[Example], list[Example]]: ...
def split(examples: Any, how: Split | None = None) -> Any:
    """Examples for training and for validation, both in the order in which they came.

    A lot depends on the seed and on which structures there are, and not on the order of files and frames nor on their
    names. Copies of one structure (same atoms in the same order, to 1e-6 Å) fall to the same side, so that the count is
    met exactly unless copies alone are left to choose from. Raises :class:`InvalidSplit`.

    >>> from ase import Atoms
    >>> from mlzoo.structures import structure_from
    >>> dimers = [Example(structure_from(Atoms("Cu2", [[0, 0, 0], [0, 0, 2 + i / 10]])), {}) for i in range(10)]
    >>> [len(part) for part in split(dimers, Split(fraction=0.2))]
    [8, 2]
    """
    how = how or Split()
    if how.files:
        held_back = _in_files(examples, how.files)
    elif how.fold_key is not None:
        held_back = _in_folds(examples, how.fold_key, how.fold)
    else:
        held_back = _by_lot(examples, how)
    kept = [index for index, back in enumerate(held_back) if not back]
    if not kept and examples:
        raise InvalidSplit(f"all {len(examples)} structures are held back for validation. Leave some to learn from.")
    return _of(examples, kept), _of(examples, [index for index, back in enumerate(held_back) if back])


def _of(examples: Sequence[Example], indices: Sequence[int]) -> Examples | list[Example]:
    """A list of them, or what is read when it is asked for."""
    return examples.choose(indices) if isinstance(examples, Examples) else [examples[index] for index in indices]


def folds(examples: Sequence[Example], key: str) -> Iterator[tuple[str, list[Example], list[Example]]]:
    """For each value of a column, in order: the value, the examples without it to learn from, and those that have it.

    Raises :class:`InvalidSplit` where an example lacks the column or all have the same value.
    """
    values = sorted({_value(example, key) for example in examples}, key=lambda value: (len(value), value))
    if len(values) < 2:
        raise InvalidSplit(f"{key!r} has the one value {', '.join(values)}, and cross-validation needs two or more.")
    for value in values:
        yield value, *split(examples, Split(fold_key=key, fold=(value,)))


def _by_lot(examples: Sequence[Example], how: Split) -> list[bool]:
    count = how.count
    if count is None:
        fraction = FRACTION if how.fraction is None else how.fraction
        count = max(1, round(fraction * len(examples))) if fraction and len(examples) > 1 else 0
    if count and count >= len(examples):
        raise InvalidSplit(
            f"{count} of {len(examples)} structures for validation leave none to learn from. Ask for fewer."
        )
    copies: dict[str, list[int]] = {}
    for index, example in enumerate(examples):
        copies.setdefault(digest(example.structure), []).append(index)
    held_back = [False] * len(examples)
    drawn = sorted(copies)
    for place in np.random.default_rng(how.seed).permutation(len(drawn)):
        indices = copies[drawn[place]]
        if len(indices) <= count:
            count -= len(indices)
            for index in indices:
                held_back[index] = True
    return held_back


def digest(structure: Structure) -> str:
    """The same for structures that agree to about 1e-6 Å, atom by atom."""
    parts = [np.rint(each / GRID).astype(np.int64) for each in (structure.positions, structure.cell)]
    every = (structure.atomic_numbers, structure.pbc, *parts)
    return hashlib.sha256(b"|".join(np.ascontiguousarray(each).tobytes() for each in every)).hexdigest()


def file_of(example: Example) -> str:
    """The file that an example was read from."""
    return example.source.rpartition(":")[0]


def _in_files(examples: Sequence[Example], files: Sequence[str]) -> list[bool]:
    held_back = {os.path.realpath(path): str(path) for path in files_of(files)}
    read_from = [os.path.realpath(file_of(example)) for example in examples]
    for path in held_back.keys() - set(read_from):
        raise InvalidSplit(
            f"no structure was read from {held_back[path]}, which is to be held back. Read it with the others."
        )
    return [path in held_back for path in read_from]


def _in_folds(examples: Sequence[Example], key: str, wanted: Sequence[str | int]) -> list[bool]:
    values = [_value(example, key) for example in examples]
    for fold in wanted:
        if str(fold) not in values:
            known = ", ".join(sorted(set(values)))
            raise InvalidSplit(f"no structure has {key}={fold}, which is to be held back. Values are {known}.")
    held_back = set(map(str, wanted))
    return [value in held_back for value in values]


def _value(example: Example, key: str) -> str:
    if key not in example.structure.conditions:
        known = ", ".join(sorted(map(str, example.structure.conditions))) or "nothing"
        raise InvalidSplit(f"{example.source or 'a structure'} has no {key!r}, by which to split. It has {known}.")
    return str(example.structure.conditions[key])
