"""One zero of energy for model and data: a shift of the model's energies by what a structure is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from ase.data import chemical_symbols
from jaxtyping import Float

Align = Literal["none", "mean", "composition"]
CHOICES: tuple[Align, ...] = ("none", "mean", "composition")

Composition = tuple[tuple[int, int], ...]
"""Atomic numbers, ascending, and how many atoms there are of each."""


@dataclass(frozen=True)
class Alignment:
    """What was added to the model's energies before they were compared, in eV an atom of each element.

    Fitted to the very structures that are evaluated: the errors that remain are smaller than without.
    """

    kind: Align
    shifts: Mapping[int, float]  # eV an atom, by atomic number
    structures: int  # that it was fitted to
    numbers: int  # how many numbers were fitted: the rank of the problem

    def of(self, compositions: Sequence[Composition]) -> Float[np.ndarray, "S"]:
        """eV of each structure."""
        return np.array([sum(self.shifts[z] * count for z, count in made_of) for made_of in compositions], dtype=float)

    def __str__(self) -> str:
        if self.kind == "mean":
            how = f"by {next(iter(self.shifts.values())):+.4f} eV an atom, the same for all"
        else:
            how = "by element, in eV an atom: " + ", ".join(
                f"{chemical_symbols[z]} {shift:+.4f}" for z, shift in self.shifts.items()
            )
        text = (
            f"the model's energies were SHIFTED before they were compared, {how}; the shift was fitted to these same "
            f"{self.structures} structures, so errors of the energy are smaller than those of the model as it is."
        )
        if self.numbers >= self.structures:
            text += f" It has {self.numbers} numbers for {self.structures} structures: the errors left say nothing."
        if self.numbers < len(self.shifts) and self.kind == "composition":
            text += " These compositions leave open how it is shared among the elements; the smallest shifts are given."
        return text

    def as_dict(self) -> dict[str, Any]:
        shifts = {chemical_symbols[z]: shift for z, shift in self.shifts.items()}
        return {"kind": self.kind, "shifts_eV_per_atom": shifts, "structures": self.structures, "said": str(self)}


def fitted(kind: Align, missing: Float[np.ndarray, "S"], compositions: Sequence[Composition]) -> Alignment | None:
    """The shift that leaves the smallest squares of errors an atom; ``missing`` is reference − prediction in eV."""
    if kind == "none" or not len(missing):
        return None
    elements = sorted({z for made_of in compositions for z, _ in made_of})
    counts = np.array([[dict(made_of).get(z, 0) for z in elements] for made_of in compositions], dtype=float)
    atoms = counts.sum(axis=1)
    if kind == "mean":
        shift = float((missing / atoms).mean())
        return Alignment(kind, dict.fromkeys(elements, shift), len(missing), 1)
    solution, _, rank, _ = np.linalg.lstsq(counts / atoms[:, None], missing / atoms, rcond=None)
    return Alignment(kind, dict(zip(elements, solution.tolist(), strict=True)), len(missing), int(rank))
