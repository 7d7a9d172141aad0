"""How a MEGNet is trained: its elements and its target, and what it knows of elements to begin with."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlzoo.plugin import Training
from mlzoo.targets import UNITS

if TYPE_CHECKING:
    from jaxtyping import Float

    from mlzoo.training.statistics import Statistics
    from mlzoo_megnet.model import MEGNet


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


def carry(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Of another MEGNet, all but the property that it gives."""
    return {name: value for name, value in fields.items() if name != "target"}


def prepare(model: MEGNet, known: Statistics) -> None:
    """Rows of the elements' embedding begin with what is known of each; what is left of them is by lot, as before."""
    import torch

    properties = torch.from_numpy(properties_of(model.elements))[:, : model.config.node_width]
    with torch.no_grad():
        model.network.node_embedding.weight[:, : properties.shape[1]] = properties


def properties_of(elements: Sequence[int]) -> Float[np.ndarray, "Z P"]:
    """Mass, size, place in the periodic table and hold on electrons, each with mean zero and deviation one.

    What is not known of an element (the electronegativity of argon) is zero, the mean.
    """
    from ase.data import covalent_radii
    from pymatgen.core import Element

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is not known is told, and NaN
        table = np.array([_row(Element.from_Z(z), covalent_radii[z]) for z in elements], dtype=np.float32)
        spread = np.nanstd(table, axis=0)
        return np.nan_to_num((table - np.nanmean(table, axis=0)) / np.where(spread > 0, spread, 1))


def _row(element: Any, radius: float) -> list[Any]:
    mass, (ionisation, *_) = float(element.atomic_mass), element.ionization_energies or [None]
    return [
        mass**-0.5, math.log(mass), radius, element.group, element.row, element.mendeleev_no, element.X, ionisation,
    ]  # fmt: skip


TRAINING = Training(complete=complete, prepare=prepare, carry=carry)
