"""`mlzoo relax`: to zero force and stress, or exit status 1."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import read, write
from ase.units import GPa

MODEL = "mace-xtb-organic"


@pytest.fixture
def stretched():
    """Diamond at a lattice constant 5 % too large, its atoms off their places."""
    atoms = bulk("C", a=3.75, cubic=True)
    atoms.rattle(0.05, seed=1)
    write("stretched.extxyz", atoms)
    return read("stretched.extxyz")


def test_with_its_cell_diamond_comes_to_rest(mlzoo, stretched):
    asked = mlzoo(
        "relax", "stretched.extxyz", "-o", "relaxed.extxyz", "--cell", "--fmax", "0.005", "--optimizer", "bfgs"
    )
    assert asked.exit_code == 0
    assert asked.stdout.startswith("converged after ")
    relaxed = read("relaxed.extxyz")
    assert np.abs(relaxed.get_forces()).max() < 0.006  # those that converge are of the larger cell at the start
    assert np.abs(relaxed.get_stress() / GPa).max() < 0.2
    assert relaxed.get_volume() < 0.97 * stretched.get_volume()


def test_without_it_the_cell_stays(mlzoo, stretched):
    assert mlzoo("relax", "stretched.extxyz", "-o", "relaxed.cif", "--fmax", "0.02").exit_code == 0
    np.testing.assert_allclose(read("relaxed.cif").cell.lengths(), stretched.cell.lengths(), atol=1e-6)


def test_unconverged_writes_the_last_structure_and_says_so(mlzoo, stretched):
    asked = mlzoo("relax", "stretched.extxyz", "-o", "relaxed.extxyz", "--steps", "2", "--fmax", "0.001")
    assert asked.exit_code == 1
    assert "NOT converged after 2 steps" in asked.stdout
    assert "relaxed.extxyz is not relaxed" in asked.stderr
    assert np.abs(read("relaxed.extxyz").positions - stretched.positions).max() > 1e-4


@pytest.mark.parametrize("name", ["steps.traj", "steps.extxyz"])
def test_restart_adds_to_the_trajectory(mlzoo, stretched, name):
    words = "relax", "stretched.extxyz", "-o", "relaxed.extxyz", "--cell", "--trajectory", name, "--fmax", "0.02"
    assert mlzoo(*words, "--steps", "3").exit_code == 1
    before = read(name, ":")
    assert len(before) == 4
    assert mlzoo(*words).exit_code == 2  # nothing is deleted unasked
    assert mlzoo(*words, "--restart").exit_code == 0
    after = read(name, ":")
    assert len(after) > 4
    for old, kept in zip(before, after, strict=False):
        assert old == kept
    assert after[-1].get_potential_energy() == pytest.approx(read("relaxed.extxyz").get_potential_energy(), abs=1e-6)
    assert after[-1].get_potential_energy() < after[0].get_potential_energy()


def test_no_volume_no_cell_relaxation(mlzoo):
    write("dimer.xyz", Atoms("N2", positions=[[0, 0, 0], [0, 0, 1.1]]))
    asked = mlzoo("relax", "dimer.xyz", "-o", "out.xyz", "--cell", "--model", "never/loaded")
    assert asked.exit_code == 2
    assert "error: --cell needs a periodic structure whose cell has a volume" in asked.stderr


def test_restart_needs_a_trajectory(mlzoo, stretched):
    assert (
        "--restart goes on from a --trajectory" in mlzoo("relax", "stretched.extxyz", "-o", "o.cif", "--restart").stderr
    )
