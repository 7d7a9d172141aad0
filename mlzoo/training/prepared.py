"""Examples with their neighbours: found once and kept, or each time that one is asked for."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mlzoo.conditions import Condition
from mlzoo.errors import InvalidTraining, MlzooError
from mlzoo.graph import Bonded, bonded
from mlzoo.model import Model
from mlzoo.training.data import Example, Examples

log = logging.getLogger("mlzoo")

Per = Literal["structure", "atom"]


@dataclass(frozen=True)
class Prepared:
    """An example with its edges."""

    part: Bonded
    example: Example


@dataclass(frozen=True)
class Bonding:
    """What a network wants to know of a structure."""

    cutoff: float  # Å
    long_range_cutoff: float | None  # Å
    conditions: tuple[Condition, ...]
    needs_edges: bool

    @classmethod
    def of(cls, model: Model) -> Bonding:
        return cls(model.cutoff, model.long_range_cutoff, model.conditions, model.needs_edges)

    def __call__(self, example: Example) -> Prepared:
        """Raises :class:`InvalidTraining` with the structure that has no neighbour list or lacks a condition."""
        within, pairs = example.neighbours or (None, None)
        try:
            part = bonded(
                example.structure,
                self.cutoff,
                long_range_cutoff=self.long_range_cutoff,
                pairs=pairs if within == self.cutoff else None,
                conditions=self.conditions,
            )
        except MlzooError as error:
            raise InvalidTraining(f"{example.source}: {error}") from error
        return Prepared(part, example)


class OnDemand(Sequence):
    """Nothing is kept: each is read, and its neighbours found, when it is asked for."""

    def __init__(self, examples: Examples, bonding: Bonding):
        self._examples, self._bonding = examples, bonding

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, index: Any) -> Any:
        return self._bonding(self._examples[index])


@dataclass(frozen=True)
class PreparedExamples:
    """Those that the network can take, with the numbers that are always in memory."""

    prepared: Sequence[Prepared]
    edges: list[int]  # of each
    atoms: int  # of all


def prepare_examples(examples: Examples, bonding: Bonding, targets: Mapping[str, Per]) -> PreparedExamples:
    """Look at every one and its labels; all are kept if they are in memory as it is.

    Raises :class:`InvalidTraining` for the first that is refused and where nothing is left.
    """
    keep = len(examples.in_memory) == len(examples)
    prepared, kept, edges, atoms = [], [], [], 0
    for index, example in enumerate(examples):
        each = bonding(example)
        for name, per in targets.items():
            row(example, name, per)
        if bonding.needs_edges and not len(each.part):
            where = f"no two of its atoms are within {bonding.cutoff} Å of each other"
            log.warning("%s is left out: %s", example.source, where)
            continue
        if keep:
            prepared.append(each)
        kept.append(index)
        edges.append(len(each.part))
        atoms += len(example.structure.atomic_numbers)
    if not kept:
        raise InvalidTraining("there is no structure to learn from or to validate with. Look at data.")
    return PreparedExamples(prepared if keep else OnDemand(examples.choose(kept), bonding), edges, atoms)


def row(example: Example, name: str, per: Per) -> np.ndarray:
    """The label as an array, NaN where it is missing. Raises :class:`InvalidTraining` for one of another shape."""
    atoms = len(example.structure.atomic_numbers)
    shape = {"forces": (atoms, 3), "stress": (6,)}.get(name, (atoms,) if per == "atom" else ())
    if name not in example.labels:
        return np.full(shape, np.nan)
    label = np.asarray(example.labels[name], dtype=np.float64)
    if label.size != math.prod(shape):
        one = "one number an atom" if per == "atom" else "one number a structure"
        raise InvalidTraining(
            f"{example.source} has {name} of shape {label.shape} and {atoms} atoms, and the model predicts {one}. Look "
            "at data.keys.labels."
        )
    return label.reshape(shape)
