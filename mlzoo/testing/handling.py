"""The same numbers however a structure is handed over, and nothing changed by asking."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from pymatgen.core import Molecule, Structure

from mlzoo import weights, zoo
from mlzoo.graph import join
from mlzoo.model import Model
from mlzoo.predictor import Predictor
from mlzoo.properties import DERIVED_FROM_ENERGY, ENERGIES
from mlzoo.testing.structures import conditions_for
from mlzoo.testing.subject import Subject, assert_same, predictor_of


class Handling(Subject):
    def test_every_output_is_declared_and_has_its_shape(self, predictor: Predictor, structures: dict[str, Atoms]):
        graph = join([predictor.graph(atoms) for atoms in structures.values()])
        outputs = predictor.model(graph)
        rows = {"atom": graph.n_atoms, "structure": graph.n_structures}
        given = [p for p in predictor.model.predicts if p == ENERGIES or p not in DERIVED_FROM_ENERGY]
        expected = {p.name: rows[p.per] for p in given}
        assert {name: len(value) for name, value in outputs.items()} == expected

    def test_energies_of_atoms_sum_to_the_energy(self, predictor: Predictor, structures: dict[str, Atoms]):
        for name, atoms in structures.items():
            found = predictor.predict(atoms)
            if "energies" in found:
                assert_same({"energy": found["energies"].sum()}, {"energy": found["energy"]}, name)

    def test_a_batch_gives_what_each_gives_alone(self, predictor: Predictor, structures: dict[str, Atoms]):
        listed = [*structures.values(), *list(structures.values())[::-1]]
        for atoms, found in zip(listed, predictor.predict(listed), strict=True):
            assert_same(found, predictor.predict(atoms), str(atoms.symbols))

    def test_the_same_input_gives_the_same_bits(self, predictor: Predictor, structures: dict[str, Atoms]):
        for name, atoms in structures.items():
            assert_same(predictor.predict(atoms), predictor.predict(atoms), name, tolerance=0.0)

    def test_float32_agrees_with_float64(self, model: Model, predictor: Predictor, structures: dict[str, Atoms]):
        single = predictor_of(model, torch.float32)
        for name, atoms in structures.items():
            found, expected = single.predict(atoms), predictor.predict(atoms)
            if "energy" in found:
                found["energy"], expected["energy"] = found["energy"] / len(atoms), expected["energy"] / len(atoms)
            assert_same(found, expected, name, self.float32_tolerance)

    def test_constants_survive_a_detour_through_float32(self, predictor: Predictor, structures: dict[str, Atoms]):
        rounded = copy.deepcopy(predictor.model)
        for parameter in rounded.parameters():
            parameter.data = parameter.data.float().double()
        detour = predictor_of(copy.deepcopy(predictor.model).float(), torch.float64)
        for name, atoms in structures.items():
            assert_same(detour.predict(atoms), predictor_of(rounded, torch.float64).predict(atoms), name)

    def test_saving_and_loading_changes_no_bit(
        self, predictor: Predictor, structures: dict[str, Atoms], tmp_path: Path
    ):
        folder = predictor.save(tmp_path / "weight")
        if self.architecture:
            loaded = zoo.load(folder, device="cpu")
        else:
            loaded = predictor_of(predictor.model, predictor.dtype)
            for parameter in loaded.model.parameters():
                parameter.data.zero_()
            loaded.model.load_state_dict(weights.read(folder)[1])
        for name, atoms in structures.items():
            assert_same(loaded.predict(atoms), predictor.predict(atoms), name, tolerance=0.0)

    def test_how_arrays_lie_in_memory_does_not_matter(self, predictor: Predictor, structures: dict[str, Atoms]):
        for name, atoms in structures.items():
            atoms.positions = atoms.positions.astype(np.float32)
            expected = predictor.predict(atoms)
            strided = np.repeat(atoms.positions, 2, axis=0)[::2]
            for positions in (np.asfortranarray(atoms.positions), strided, atoms.positions.astype(np.float32)):
                other = atoms.copy()
                other.arrays["positions"] = positions
                assert_same(predictor.predict(other), expected, name, tolerance=0.0)

    def test_the_callers_objects_are_untouched(self, predictor: Predictor, structures: dict[str, Atoms]):
        molecule = structures["molecule"]
        crystal = structures.get("sheared crystal", molecule)
        before = crystal.copy()
        predictor.predict(crystal)
        assert crystal == before, "predict changed atoms"
        assert crystal.info == before.info, "predict changed atoms.info"
        assert crystal.arrays.keys() == before.arrays.keys(), "predict changed atoms.arrays"
        assert crystal.calc is None, "predict attached a calculator"
        pymatgen: list[Structure | Molecule] = [Molecule([*molecule.symbols], molecule.positions)]
        if crystal is not molecule:
            cell = crystal.cell.array
            pymatgen.append(Structure(cell, [*crystal.symbols], crystal.positions, coords_are_cartesian=True))
        for theirs in pymatgen:
            said = theirs.as_dict()
            predictor.predict(theirs, **conditions_for(predictor.model))
            assert theirs.as_dict() == said, "predict changed a pymatgen object"

    def test_no_gradient_is_left_behind(self, predictor: Predictor, structures: dict[str, Atoms]):
        predictor.model.requires_grad_(True)
        predictor.predict(list(structures.values()))
        left = [name for name, parameter in predictor.model.named_parameters() if parameter.grad is not None]
        assert not left, f"gradients on {left}"
