"""What is continuous when an atom crosses the cutoff, as far as the model says."""

from __future__ import annotations

import numpy as np
from ase import Atoms

from mlzoo.predictor import Predictor
from mlzoo.testing.subject import Subject, energy_model, holds_where

STEP = 1e-4  # Å, to both sides of the cutoff


class Smoothness(Subject):
    def test_the_energy_is_continuous_at_the_cutoff(self, predictor: Predictor, structures: dict[str, Atoms]):
        holds_where(energy_model(predictor).smoothness in ("energy", "forces"), "its energy jumps at the cutoff")
        _needs_any_order(predictor)
        _assert_continuous(predictor, structures["molecule"], "energy")

    def test_the_forces_are_continuous_at_the_cutoff(self, predictor: Predictor, structures: dict[str, Atoms]):
        model = energy_model(predictor)
        holds_where(model.smoothness == "forces" and model.derivatives > 0, "its forces jump at the cutoff")
        _needs_any_order(predictor)
        _assert_continuous(predictor, structures["molecule"], "forces")


def _needs_any_order(predictor: Predictor) -> None:
    holds_where(predictor.model.edge_order == "any", "its numbers depend on the order of the edges")


def _assert_continuous(predictor: Predictor, molecule: Atoms, name: str) -> None:
    for cutoff in filter(None, (predictor.model.cutoff, predictor.model.long_range_cutoff)):
        wide, narrow = (_change(predictor, molecule, cutoff, step, name) for step in (STEP, STEP / 2))
        jump = np.abs(2 * narrow - wide).max()  # what is left of the change as the step goes to zero
        assert jump < 1e-6, f"{name} jumps by {jump:.2g} where an atom crosses {cutoff} Å"


def _change(predictor: Predictor, molecule: Atoms, cutoff: float, step: float, name: str) -> np.ndarray:
    """Difference between one atom ``step`` outside and inside of the cutoff of the outermost atom of the others."""
    values = []
    for distance in (cutoff - step, cutoff + step):
        atoms = molecule.copy()
        rest = atoms.positions[:-1]
        atoms.positions[-1] = rest[rest[:, 0].argmax()] + [distance, 0, 0]
        values.append(np.asarray(predictor.predict(atoms, [name])[name]))
    return np.asarray(values[1] - values[0])
