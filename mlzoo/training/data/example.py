"""One labelled structure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mlzoo.structures import Structure

TENSORS = {"energy": (), "forces": (-1, 3), "stress": (6,)}
"""Shapes of the labels that have a name of their own: eV, (A, 3) eV/Å, ASE's six components in eV/Å³."""


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
