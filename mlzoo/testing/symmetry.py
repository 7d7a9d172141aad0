"""Space has no preferred direction, handedness or origin, and atoms of an element have no names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from ase import Atoms

from mlzoo.predictor import Predictor
from mlzoo.testing.subject import Subject, assert_same, energy_model, holds_where

ROTATION = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
ROTATION *= np.linalg.det(ROTATION)
MIRROR = np.diag([1.0, 1.0, -1.0]) @ ROTATION
SHIFT = np.array([11.3, -7.9, 3.1])  # Å
VOIGT = (0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1)


class Symmetry(Subject):
    def test_rotating_a_structure_rotates_its_forces(self, predictor: Predictor, structures: dict[str, Atoms]):
        _same_in_any_frame(predictor, structures, ROTATION)

    def test_a_mirror_image_has_mirrored_forces(self, predictor: Predictor, structures: dict[str, Atoms]):
        _same_in_any_frame(predictor, structures, MIRROR)

    def test_where_the_origin_lies_does_not_matter(self, predictor: Predictor, structures: dict[str, Atoms]):
        _needs_no_frame(predictor)
        for name, atoms in structures.items():
            moved = atoms.copy()
            moved.positions += SHIFT
            expected = predictor.predict(atoms)
            if "dipole" in expected and "charges" in expected:
                expected["dipole"] = expected["dipole"] + atoms.info["charge"] * SHIFT
            assert_same(predictor.predict(moved), expected, name)

    def test_the_order_of_atoms_does_not_matter(self, predictor: Predictor, structures: dict[str, Atoms]):
        holds_where(predictor.model.edge_order == "any", "its numbers depend on the order of the edges")
        for name, atoms in structures.items():
            order = np.roll(np.arange(len(atoms))[::-1], 1)
            expected = predictor.predict(atoms)
            for prediction in predictor.model.predicts:
                if prediction.per == "atom" and prediction.name in expected:
                    expected[prediction.name] = expected[prediction.name][order]
            assert_same(predictor.predict(atoms[order]), expected, name)


class Momentum(Subject):
    """What follows from symmetry for the forces of a structure."""

    def test_forces_sum_to_zero(self, predictor: Predictor, structures: dict[str, Atoms]):
        _needs_forces_without_frame(predictor)
        for name, atoms in structures.items():
            total = predictor.predict(atoms, ["forces"])["forces"].sum(axis=0)
            np.testing.assert_allclose(total, 0, atol=1e-9, err_msg=name)

    def test_the_virial_is_symmetric(self, predictor: Predictor, structures: dict[str, Atoms]):
        _needs_forces_without_frame(predictor)
        for name, atoms in structures.items():
            virial = predictor.predict(atoms, ["virial"])["virial"]
            assert_same({"virial": virial.T}, {"virial": virial}, name)


def _same_in_any_frame(predictor: Predictor, structures: dict[str, Atoms], frame: np.ndarray) -> None:
    _needs_no_frame(predictor)
    for name, atoms in structures.items():
        turned = atoms.copy()
        turned.set_cell(atoms.cell.array @ frame)
        turned.positions = atoms.positions @ frame
        assert_same(predictor.predict(turned), _turned(predictor.predict(atoms), frame), name)


def _turned(prediction: Mapping[str, Any], frame: np.ndarray) -> dict[str, Any]:
    """Scalars as they are, vectors and tensors in the new frame."""
    turned = dict(prediction)
    for name, value in prediction.items():
        shape = np.shape(value)
        if name == "stress":
            tensor = np.zeros((3, 3))
            tensor[VOIGT] = tensor[VOIGT[::-1]] = value
            turned[name] = (frame.T @ tensor @ frame)[VOIGT]
        elif shape[-2:] == (3, 3) and name in ("virial", "polarizability"):
            turned[name] = frame.T @ value @ frame
        elif shape[-1:] == (3,) and name in ("forces", "dipole"):
            turned[name] = value @ frame
    return turned


def _needs_no_frame(predictor: Predictor) -> None:
    holds_where(predictor.model.edge_order == "any", "its numbers depend on the order of the edges")
    holds_where(
        "positions" not in getattr(predictor.model, "uses", ()), "its energy depends on positions in a fixed frame"
    )


def _needs_forces_without_frame(predictor: Predictor) -> None:
    model = energy_model(predictor)
    holds_where(model.derivatives > 0, "it has no forces")
    holds_where("positions" not in model.uses, "its energy depends on positions in a fixed frame")
