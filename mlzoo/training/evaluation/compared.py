"""The structures that were compared, and what is said of one label over all of them."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms
from jaxtyping import Float

from mlzoo.training.data import Example
from mlzoo.training.evaluation.alignment import Composition
from mlzoo.training.evaluation.errors_of import ErrorsOf
from mlzoo.training.evaluation.result import Worst


@dataclass
class Seen:
    """What is remembered of each structure: some hundred bytes."""

    sources: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    compositions: list[Composition] = field(default_factory=list)

    def add(self, example: Example) -> int:
        """The place of the structure."""
        elements, counts = np.unique(example.structure.atomic_numbers, return_counts=True)
        self.sources.append(example.source)
        self.groups.append(example.group)
        self.compositions.append(tuple(zip(elements.tolist(), counts.tolist(), strict=True)))
        return len(self.sources) - 1

    def formula(self, place: int) -> str:
        return Atoms([z for z, count in self.compositions[place] for _ in range(count)]).get_chemical_formula()


class Ranking:
    """The ``size`` structures with the largest errors of one quantity."""

    def __init__(self, size: int):
        self._size = size
        self._heap: list[tuple[float, int, tuple[float, ...]]] = []  # error, minus place, reference and prediction

    def add(self, place: int, error: float, *pair: float) -> None:
        heapq.heappush(self._heap, (error, -place, pair))
        if len(self._heap) > self._size:
            heapq.heappop(self._heap)

    def worst(self, seen: Seen) -> tuple[Worst, ...]:
        """The worst first."""
        return tuple(
            Worst(seen.sources[-minus], seen.formula(-minus), seen.groups[-minus], error, *pair)
            for error, minus, pair in sorted(self._heap, reverse=True)
        )


@dataclass(frozen=True)
class Compared:
    """One label over all structures that have it. Quantities are the label itself, and the same in other units."""

    quantity: str  # of the pairs and the worst
    errors: Mapping[str, ErrorsOf]  # by quantity
    by_group: Mapping[str, Mapping[str, ErrorsOf]]  # group -> quantity
    by_element: Mapping[str, ErrorsOf]  # empty where there is no value an atom
    worst: tuple[Worst, ...]
    pairs: Float[np.ndarray, "_ 2"]
