"""Many labelled structures by number, in memory or read when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

import numpy as np
from jaxtyping import Int

from mlzoo.training.data.example import Example
from mlzoo.training.data.shards import Shards


@dataclass(frozen=True)
class Part:
    """Structures of one origin, and the head that all of them are of, whatever they say."""

    examples: list[Example] | Shards
    head: str | None = None


class Examples(Sequence):  # of Example; said to a checker of types, it would read one each time
    """Parts one after the other, or a choice of what is in them; nothing is copied, nothing read before it is asked for."""

    def __init__(self, parts: Sequence[Part], places: Int[np.ndarray, "N 2"] | None = None):
        """``places``: part and number in it, for each structure; without them, all there are."""
        self.parts = tuple(parts)
        if places is None:
            sizes = [len(part.examples) for part in self.parts]
            numbers = [np.arange(size) for size in sizes]
            places = np.stack([np.repeat(np.arange(len(sizes)), sizes), np.concatenate(numbers)], axis=1)
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> Examples: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Examples(self.parts, self._places[index])
        part, number = self._places[index].tolist()
        example, head = self.parts[part].examples[number], self.parts[part].head
        if head is None:
            return example
        return replace(
            example, structure=replace(example.structure, conditions={**example.structure.conditions, "head": head})
        )

    def choose(self, indices: Sequence[int]) -> Examples:
        """Those of these numbers, in this order."""
        return Examples(self.parts, self._places[np.asarray(indices, dtype=np.int64)])

    @property
    def in_memory(self) -> Examples:
        """Those that are not read again each time."""
        held = [index for index, part in enumerate(self.parts) if isinstance(part.examples, list)]
        return Examples(self.parts, self._places[np.isin(self._places[:, 0], held)])
