"""Reused candidates give the very arrays of a fresh list at every frame, and are reused for most of them."""

import numpy as np
import pytest
from ase.build import bulk, fcc111, molecule

from mlzoo.errors import MlzooError
from mlzoo.neighbors import SkinList, find_pairs

CUTOFF = 3.5  # Å


def assert_same(found, fresh):
    for name in ("senders", "receivers", "shifts"):
        ours, expected = getattr(found, name), getattr(fresh, name)
        assert ours.dtype == expected.dtype
        assert np.array_equal(ours, expected), name


def follow(frames, skin=1.0, cutoff=CUTOFF):
    """Hold a skin list against a fresh one at each ``(positions, cell, pbc)``; the number of rebuilds."""
    listed = SkinList(cutoff, skin)
    for frame in frames:
        assert_same(listed.pairs(*frame), find_pairs(*frame, cutoff))
    return listed.rebuilds


def vibrations(atoms, rng, n_frames=1000, amplitude=0.3, drift=0.01):
    """Smooth, incommensurate vibrations (Å) about a slowly drifting structure."""
    waves = rng.normal(scale=amplitude / 3, size=(3, len(atoms), 3))
    speeds = rng.uniform(0.02, 0.2, (3, len(atoms), 1))
    for step in range(n_frames):
        yield atoms.positions + drift * step + np.sum(waves * np.sin(speeds * step), axis=0)


SYSTEMS = {
    "silicon": lambda: bulk("Si", cubic=True),
    "copper, one atom": lambda: bulk("Cu"),
    "magnesium, hexagonal": lambda: bulk("Mg"),
    "slab": lambda: fcc111("Al", (2, 2, 3), vacuum=5.0),
    "molecule": lambda: molecule("C6H6"),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_vibrations_in_a_fixed_cell(name):
    atoms, rng = SYSTEMS[name](), np.random.default_rng(0)
    frames = ((positions, atoms.cell.array, atoms.pbc) for positions in vibrations(atoms, rng))
    assert follow(frames, skin=0.8) <= 100


@pytest.mark.parametrize("name", SYSTEMS)
def test_vibrations_in_a_breathing_shearing_rotating_cell(name):
    """The cell follows 1,000 affine maps; the atoms ride along and vibrate."""
    atoms, rng = SYSTEMS[name](), np.random.default_rng(1)
    strain, spin = rng.normal(scale=0.03, size=(3, 3)), np.array([[0, 1, 0.3], [-1, 0, 0.2], [-0.3, -0.2, 0]])

    def frames():
        for step, positions in enumerate(vibrations(atoms, rng, amplitude=0.2)):
            map_ = np.eye(3) + np.sin(0.01 * step) * strain + 2e-5 * step * spin
            yield positions @ map_, atoms.cell.array @ map_, atoms.pbc

    assert follow(frames(), skin=0.5) <= 200


def test_a_cell_that_shrinks_under_resting_atoms():
    """Pairs come in from all sides though no atom moves: the bound is about the cell alone."""
    atoms = bulk("Si", cubic=True)
    frames = ((atoms.positions, atoms.cell.array * (1 - 3e-4 * step), atoms.pbc) for step in range(1000))
    assert 3 <= follow(frames) <= 150


@pytest.mark.parametrize(("axes", "n_edges"), [("xyz", 6), ("z", 2)])
def test_the_candidates_are_used_to_the_very_end(axes, n_edges):
    """Images just beyond cutoff + skin (4 Å) come in together, and the list is rebuilt just before they do.

    Along z alone the others move away meanwhile, so that it is the strongest compression that counts.
    """

    def cubic(length):  # Å
        lengths = [length if axis in axes else 8.02 - length for axis in "xyz"]
        return np.zeros((1, 3)), np.diag(lengths), np.ones(3, bool)

    listed = SkinList(cutoff=3.0, skin=1.0)
    assert len(listed.pairs(*cubic(4.01))) == 0  # not even a candidate
    assert len(listed.pairs(*cubic(3.0081))) == 0
    assert listed.rebuilds == 1
    assert len(listed.pairs(*cubic(3.0))) == n_edges
    assert listed.rebuilds == 2


def test_hot_atoms_that_fly_and_are_wrapped():
    """A lattice gas at any speed, wrapped by its user at each frame, in a cell that jitters."""
    rng, cell = np.random.default_rng(2), np.array([[6.0, 0, 0], [2, 7, 0], [1, -2, 8]])
    fractions, velocities = rng.random((12, 3)), rng.normal(scale=0.01, size=(12, 3))

    def frames():
        for step in range(1000):
            jitter = cell * (1 + 0.02 * np.sin(0.3 * step))
            yield (fractions + step * velocities) % 1.0 @ jitter, jitter, np.array([True, True, step % 200 < 150])

    assert 5 < follow(frames()) < 1000


def test_atoms_come_and_go_and_jump():
    rng = np.random.default_rng(3)
    cell, pbc = 9.0 * np.eye(3), np.ones(3, bool)

    def frames():
        positions = rng.uniform(0, 9, (20, 3))
        for step in range(1000):
            if step % 100 == 99:  # insertion, deletion, and a swap of two atoms
                n_atoms = rng.integers(1, 30)
                positions = rng.uniform(0, 9, (n_atoms, 3))
            elif step % 100 == 50:
                positions = positions[::-1].copy()
            positions += rng.normal(scale=0.003, size=positions.shape)
            yield positions, cell, pbc

    assert 20 <= follow(frames()) <= 80


def test_open_directions_take_no_part():
    """The vectors of open directions may change or vanish at will without a rebuild."""
    slab, rng = fcc111("Al", (2, 2, 2), vacuum=4.0), np.random.default_rng(4)
    listed = SkinList(CUTOFF, 0.5)
    for _ in range(20):
        cell = slab.cell.array.copy()
        cell[2] = rng.choice([0.0, 1.0]) * rng.normal(size=3)
        assert_same(listed.pairs(slab.positions, cell, slab.pbc), find_pairs(slab.positions, cell, slab.pbc, CUTOFF))
    assert listed.rebuilds == 1


def test_arrays_changed_in_place_are_noticed():
    """ASE moves atoms in the array that it handed out."""
    atoms = bulk("Cu", cubic=True)
    positions, cell, pbc = atoms.positions.copy(), atoms.cell.array.copy(), atoms.pbc.copy()
    listed = SkinList(CUTOFF, 0.5)
    listed.pairs(positions, cell, pbc)
    positions[0] += 1.0
    assert_same(listed.pairs(positions, cell, pbc), find_pairs(positions, cell, pbc, CUTOFF))
    cell *= 0.8
    assert_same(listed.pairs(positions, cell, pbc), find_pairs(positions, cell, pbc, CUTOFF))
    pbc[1] = False
    assert_same(listed.pairs(positions, cell, pbc), find_pairs(positions, cell, pbc, CUTOFF))
    assert listed.rebuilds == 4


def test_results_are_the_callers_own():
    atoms = bulk("Cu", cubic=True)
    frame = atoms.positions, atoms.cell.array, atoms.pbc
    listed = SkinList(CUTOFF, 0.5)
    listed.pairs(*frame).shifts[:] = 99
    assert_same(listed.pairs(*frame), find_pairs(*frame, CUTOFF))


def test_no_skin_searches_each_time():
    atoms = bulk("Cu")
    assert follow([(atoms.positions, atoms.cell.array, atoms.pbc)] * 5, skin=0.0) == 5


def test_doubt_rebuilds():
    """A frame with NaN, or a flattened cell, is never answered from the candidates."""
    atoms = bulk("Cu", cubic=True)
    for spoil in (np.nan, np.inf):
        listed = SkinList(CUTOFF, 0.5, backend="brute_force")
        listed.pairs(atoms.positions, atoms.cell.array, atoms.pbc)
        bad = atoms.positions.copy()
        bad[0, 0] = spoil
        known = listed._candidates
        with np.errstate(invalid="ignore"):
            assert not listed._complete(known, bad, atoms.cell.array, atoms.pbc)
            assert not listed._complete(known, atoms.positions, atoms.cell.array * spoil, atoms.pbc)
            assert not listed._complete(known, atoms.positions, atoms.cell.array * [[1], [1], [0]], atoms.pbc)


def test_matgls_order_cannot_be_kept_under_a_skin():
    with pytest.raises(MlzooError, match="use skin=0"):
        SkinList(5.0, 1.0, backend="pymatgen")
