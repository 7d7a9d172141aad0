"""The ASE calculator: what ASE expects of one, and physics that does not depend on how it is asked."""

import copy
import json
import pickle

import numpy as np
import pytest
from ase.build import bulk, graphene, molecule
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.constraints import FixAtoms
from ase.db import connect
from ase.filters import FrechetCellFilter
from ase.mep import NEB
from ase.optimize import BFGS

import mlzoo
from mlzoo.errors import InvalidCondition, UnsupportedProperty


@pytest.fixture(scope="module")
def model():
    return mlzoo.load("mace-xtb-organic", dtype="float64", device="cpu")


def test_one_liner():
    atoms = molecule("CH3CH2OH")
    atoms.calc = mlzoo.calculator("mace-xtb-organic")
    assert atoms.get_potential_energy() == atoms.get_potential_energy(force_consistent=True)


def test_forces_and_stress_are_derivatives_of_the_energy(model):
    atoms = bulk("CN", "zincblende", a=3.7) * (2, 1, 1)
    atoms.rattle(0.1, seed=0)
    atoms.calc = model.calculator()
    assert np.abs(atoms.get_forces() - calculate_numerical_forces(atoms, eps=1e-4)).max() < 1e-6
    assert np.abs(atoms.get_stress() - calculate_numerical_stress(atoms, eps=1e-4)).max() < 1e-7
    assert atoms.get_potential_energies().sum() == pytest.approx(atoms.get_potential_energy(), abs=1e-12)


def test_a_layer_equals_itself_in_a_large_periodic_cell(model):
    layer = graphene(size=(2, 2, 1), vacuum=10.0)
    layer.rattle(0.05, seed=0)
    layer.pbc = (True, True, False)
    boxed = layer.copy()
    boxed.pbc = True
    bare = layer.copy()  # the vector of the open direction says nothing
    bare.cell[2] = 0
    answers = [model.predict(atoms, ["energy", "forces", "virial"]) for atoms in (layer, boxed, bare)]
    for answer in answers[1:]:
        for key in ("energy", "forces", "virial"):
            assert np.abs(answer[key] - answers[0][key]).max() < 1e-10, key


def test_a_molecule_without_a_cell_equals_itself_in_a_large_one(model):
    ethanol = molecule("CH3CH2OH")
    boxed = ethanol.copy()
    boxed.center(vacuum=12.0)
    boxed.pbc = True
    for key in ("energy", "forces", "virial"):
        assert np.abs(model.predict(ethanol)[key] - model.predict(boxed)[key]).max() < 1e-10, key
    ethanol.calc = model.calculator()
    ethanol.get_potential_energy()
    with pytest.raises(PropertyNotImplementedError):
        ethanol.get_stress()
    assert ethanol.calc.results["virial"].shape == (3, 3)


def test_cell_relaxation_finds_zero_stress(model):
    atoms = bulk("C", a=3.75)
    atoms.calc = model.calculator()
    assert BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=1e-4, steps=100)
    assert np.abs(atoms.get_stress()).max() < 1e-5


def test_neb_with_one_shared_calculator(model):
    """A methyl group of ethane turns by a third over a barrier, by symmetry the same from both sides."""
    initial = molecule("C2H6")  # two C, three H at the first, three at the second
    initial.set_constraint(FixAtoms([0, 1, 2, 3, 4]))
    final = initial.copy()
    final.positions[[5, 6, 7]] = final.positions[[6, 7, 5]]
    calculator = model.calculator()
    for end in (initial, final):
        end.calc = calculator
        BFGS(end, logfile=None).run(fmax=0.05)
    images = [initial, *(initial.copy() for _ in range(3)), final]
    for image in images[1:-1]:
        image.calc = calculator
    band = NEB(images, allow_shared_calculator=True, method="improvedtangent")
    band.interpolate("idpp")
    BFGS(band, logfile=None).run(fmax=0.05, steps=40)
    energies = [image.get_potential_energy() for image in images]
    assert energies[2] - energies[0] > 0.05
    assert energies[1] == pytest.approx(energies[3], abs=5e-3)


def test_copies_and_pickles_give_the_same_numbers(model):
    atoms = bulk("C", cubic=True)
    atoms.rattle(0.1, seed=3)
    calculator = model.calculator(skin=0.5)
    atoms.calc = calculator
    energy = atoms.get_potential_energy()
    for again in (copy.deepcopy(calculator), pickle.loads(pickle.dumps(calculator)), copy.deepcopy(atoms).calc):
        other = atoms.copy()
        other.calc = again
        assert other.get_potential_energy() == energy
    assert copy.deepcopy(calculator).predictor is model  # the weights are shared


def test_parameters_survive_an_ase_database(model, tmp_path):
    atoms = bulk("C")
    atoms.calc = model.calculator(skin=0.3)
    atoms.get_potential_energy()
    with connect(tmp_path / "test.db") as database:
        database.write(atoms)
        row = database.get(1)
    assert row.calculator == "mlzoocalculator"
    parameters = row.calculator_parameters
    assert json.dumps(parameters)
    assert parameters["model"] == "mace-xtb-organic"
    assert parameters["skin"] == 0.3
    assert parameters["dtype"] == "float64"


def test_the_cache_knows_what_matters(model, monkeypatch):
    atoms = bulk("C")
    atoms.calc = model.calculator()
    counted = []
    calculate = type(atoms.calc).calculate
    monkeypatch.setattr(type(atoms.calc), "calculate", lambda *a, **k: (counted.append(1), calculate(*a, **k)))
    atoms.get_potential_energy()
    atoms.get_forces()
    assert len(counted) == 1
    atoms.rattle(0.01)
    atoms.get_forces()
    assert len(counted) == 2
    atoms.info["charge"] = 1
    with pytest.warns(UserWarning, match="does not know charge"):
        atoms.get_forces()
    assert len(counted) == 3


@pytest.mark.parametrize("count", [200, pytest.param(1000, marks=pytest.mark.long)])
def test_skin_changes_no_number_over_many_frames(model, count):
    """Vibrations, strain, atoms wrapped by the user, other species, one atom less: energies as with fresh lists."""
    rng = np.random.default_rng(0)
    atoms = bulk("C", a=4.4) * (2, 1, 1)
    atoms.calc = model.calculator(skin=0.8)
    frames, energies = [], []
    for frame in range(count):
        if frame % 10 == 3:
            atoms.set_cell(atoms.cell.array @ (np.eye(3) + rng.normal(scale=2e-3, size=(3, 3))), scale_atoms=True)
        if frame % 50 == 7:
            atoms.wrap()
        if frame % 100 == 11:
            atoms.numbers[rng.integers(len(atoms))] = rng.choice([1, 6, 7, 8, 9, 16, 17])
        if frame == count // 2:
            del atoms[0]
        atoms.positions += rng.normal(scale=0.01, size=atoms.positions.shape)
        frames.append(atoms.copy())
        energies.append(atoms.get_potential_energy())
    for frame, (copied, energy, fresh) in enumerate(
        zip(frames, energies, model.predict(frames, ["energy"]), strict=True)
    ):
        assert abs(energy - fresh["energy"]) / len(copied) < 1e-10, frame
    assert atoms.calc._skin.rebuilds < 0.4 * count


def test_the_callers_atoms_are_left_alone(model):
    atoms = bulk("C", cubic=True)
    atoms.info["note"] = "mine"
    before = copy.deepcopy(atoms.__dict__)
    atoms.calc = model.calculator()
    atoms.get_stress()
    assert atoms.info == before["info"]
    assert all(np.array_equal(atoms.arrays[key], before["arrays"][key]) for key in atoms.arrays)


def test_unknown_conditions_and_property_models_are_refused(model, shared):
    with pytest.raises(InvalidCondition, match="does not know head='a'"):
        model.calculator(head="a")
    intensive = mlzoo.load(shared / "weights/matgl/M3GNet-MP-2018.6.1-Eform")
    with pytest.raises(UnsupportedProperty, match=r"predicts formation_energy_per_atom, no energy: use predict\(\)"):
        intensive.calculator()
