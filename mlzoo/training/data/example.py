"""One labelled structure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mlzoo.neighbors import Pairs
from mlzoo.structures import Structure

HEAD = "default"
"""The name of the only head, where the data have no several."""


@dataclass(frozen=True)
class Example:
    """A structure with what is known of it: labels by the names and in the units of ``mlzoo.properties``.

    A label that is not there is missing, which is no error: it adds nothing to the loss.
    """

    structure: Structure
    labels: Mapping[str, float | np.ndarray]
    weight: float = 1.0  # of all its labels in the loss
    group: str = "all"  # for weights and errors by group
    source: str = ""  # file and frame, for messages
    neighbours: tuple[float, Pairs] | None = None  # those within so many Å, where they were found before

    @property
    def head(self) -> str:
        """The level of theory that its labels are of, where the data have several."""
        return str(self.structure.conditions.get("head", HEAD))
