"""How a MEGNet is trained: its elements and its target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlzoo.plugin import Training
from mlzoo.targets import UNITS

if TYPE_CHECKING:
    from mlzoo.training.statistics import Statistics


def complete(fields: Mapping[str, Any], known: Statistics) -> dict[str, Any]:
    """Elements, Gaussians up to an ångström beyond the cutoff, and name, unit, mean and standard deviation of the property."""
    name, mean, std = known.target
    cutoff = fields.get("cutoff", 5.0)
    own = {
        "elements": known.elements,
        "cutoff": cutoff,
        "gaussians": {"last": cutoff + 1},
        "target": {"name": name, "unit": UNITS.get(name, ""), "mean": mean, "std": std},
    }
    return {**own, **fields}


TRAINING = Training(complete=complete)
