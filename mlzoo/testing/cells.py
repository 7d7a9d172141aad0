"""Energies add up: over cells, over fragments, and with nothing around; properties of a whole do not."""

from __future__ import annotations

import numpy as np
from ase import Atoms

from mlzoo.errors import MlzooError
from mlzoo.model import Model
from mlzoo.predictor import Predictor
from mlzoo.testing.structures import conditions_for
from mlzoo.testing.subject import Subject, assert_same, energy_model, holds_where


class Cells(Subject):
    def test_a_supercell_has_the_energy_of_its_cells(self, predictor: Predictor, structures: dict[str, Atoms]):
        _needs_edges_alone(predictor, "positions")
        for name, atoms in structures.items():
            times = np.where(atoms.pbc, (2, 1, 3), 1)
            cells = int(times.prod())
            found, one = predictor.predict(_supercell(atoms, times, predictor.model)), predictor.predict(atoms)
            expected = {"energy": cells * one["energy"], "energies": np.tile(one["energies"], cells)}
            if "forces" in one:
                expected |= {"forces": np.tile(one["forces"], (cells, 1)), "virial": cells * one["virial"]}
            assert_same({key: found[key] for key in expected}, expected, name)

    def test_far_fragments_do_not_know_of_each_other(self, predictor: Predictor, structures: dict[str, Atoms]):
        holds_where(energy_model(predictor).local, "it couples atoms that are far apart")
        _needs_edges_alone(predictor, "positions")
        first = structures["molecule"].copy()
        first.info |= {"charge": 0.0} if "charge" in first.info else {}
        second = first[:3]
        second.positions += [
            np.ptp(first.positions) + 1.5 * max(predictor.cutoff, predictor.model.long_range_cutoff or 0),
            0,
            0,
        ]
        alone = [predictor.predict(first)["energies"], predictor.predict(second)["energies"]]
        both = predictor.predict(first + second)["energies"]
        assert_same({"energies": both}, {"energies": np.concatenate(alone)}, "two fragments")

    def test_an_atom_alone_has_an_energy_and_no_forces(self, predictor: Predictor):
        for number in predictor.model.elements:
            found = predictor.predict(
                Atoms([number], positions=[[1.0, 2.0, 3.0]], info=conditions_for(predictor.model))
            )
            assert_same(found, found, f"element {number}: finite")
            if "positions" not in energy_model(predictor).uses:
                expected = {key: np.zeros_like(found[key]) for key in ("forces", "virial") if key in found}
                assert_same({key: found[key] for key in expected}, expected, f"element {number}", tolerance=0.0)

    def test_open_directions_are_a_cell_too_large_to_matter(self, predictor: Predictor, structures: dict[str, Atoms]):
        _needs_edges_alone(predictor, "positions", "cell")
        for name, atoms in structures.items():
            boxed = atoms.copy()
            cutoff = max(predictor.cutoff, predictor.model.long_range_cutoff or 0)
            boxed.cell[~atoms.pbc] = (np.ptp(atoms.positions, axis=0).max() + 1.5 * cutoff) * np.eye(3)[~atoms.pbc]
            boxed.pbc = True
            expected = predictor.predict(atoms)
            expected.pop("stress", None)  # the volume is another one
            for prediction in predictor.model.predicts:
                if prediction.molecular:
                    expected.pop(prediction.name, None)
            assert_same(
                {key: value for key, value in predictor.predict(boxed).items() if key in expected}, expected, name
            )

    def test_which_image_of_an_atom_is_given_does_not_matter(self, predictor: Predictor, structures: dict[str, Atoms]):
        _needs_edges_alone(predictor, "positions")
        for name, atoms in structures.items():
            assert_same(predictor.predict(_unwrapped(atoms)), predictor.predict(atoms), name)


class Intensive(Subject):
    def test_a_supercell_has_the_same_properties(self, predictor: Predictor, structures: dict[str, Atoms]):
        _needs_edges_alone(predictor)
        for name, atoms in structures.items():
            times = np.where(atoms.pbc, (2, 1, 3), 1)
            assert_same(predictor.predict(_supercell(atoms, times, predictor.model)), predictor.predict(atoms), name)

    def test_an_atom_alone_gives_a_number_or_a_reason(self, predictor: Predictor):
        for number in predictor.model.elements:
            try:
                found = predictor.predict(Atoms([number], info=conditions_for(predictor.model)))
            except MlzooError:
                continue
            assert_same(found, found, f"element {number}: finite")

    def test_which_image_of_an_atom_is_given_does_not_matter(self, predictor: Predictor, structures: dict[str, Atoms]):
        _needs_edges_alone(predictor)
        for name, atoms in structures.items():
            assert_same(predictor.predict(_unwrapped(atoms)), predictor.predict(atoms), name)


def _needs_edges_alone(predictor: Predictor, *without: str) -> None:
    holds_where(predictor.model.edge_order == "any", "its numbers depend on the order of the edges")
    for name in without:
        holds_where(name not in energy_model(predictor).uses, f"its energy depends on the {name}")


def _supercell(atoms: Atoms, times: np.ndarray, model: Model) -> Atoms:
    """So many cells along each axis, with so many charges and unpaired electrons, or as many where the model says so."""
    larger = atoms.repeat(times)
    intensive: frozenset[str] = getattr(model, "intensive_conditions", frozenset())
    if "charge" in atoms.info and "charge" not in intensive:
        larger.info["charge"] = times.prod() * atoms.info["charge"]
    if "spin" in atoms.info and "spin" not in intensive:
        larger.info["spin"] = times.prod() * (atoms.info["spin"] - 1) + 1
    return larger


def _unwrapped(atoms: Atoms) -> Atoms:
    """Each atom as another of its periodic images."""
    moved = atoms.copy()
    shifts = np.random.default_rng(2).integers(-3, 4, (len(atoms), 3)) * atoms.pbc
    moved.positions += shifts @ atoms.cell.array
    return moved
