"""Which changes leave a structure what it is."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from mlzoo.conditions import COMMON
from mlzoo.structures import structure_from
from mlzoo.training.data.same_geometry import APART, same_geometries

ETHANOL = molecule("CH3CH2OH")
CRYSTAL = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
CRYSTAL.rattle(0.1, seed=1)
SLAB = Atoms("Cu4", np.random.default_rng(3).normal(size=(4, 3)) * 3, cell=[8, 8, 0], pbc=[True, True, False])


def moved(atoms, **changes):
    atoms = atoms.copy()
    if "turn" in changes:
        atoms.rotate(changes["turn"], (1, 2, 3))
    if "by" in changes:
        atoms.positions += changes["by"]
    if "order" in changes:
        atoms = atoms[np.random.default_rng(changes["order"]).permutation(len(atoms))]
    if "rattle" in changes:
        atoms.rattle(changes["rattle"], seed=5)
    if "lattice" in changes:
        atoms.positions[::2] += np.array(changes["lattice"]) @ atoms.cell.array
    if "strain" in changes:
        atoms.set_cell(atoms.cell * (1 + changes["strain"]), scale_atoms=True)
    atoms.info |= changes.get("info", {})
    return atoms


def are_same(one, other):
    return same_geometries([structure_from(one), structure_from(other)]) == [[0, 1]]


@pytest.mark.parametrize(
    ("atoms", "changes"),
    [
        (ETHANOL, {}),
        (ETHANOL, {"turn": 40, "by": 3.0, "order": 1}),
        (ETHANOL, {"rattle": 1e-8}),
        (ETHANOL, {"info": {"config_type": "other"}}),
        (CRYSTAL, {"by": 0.3}),
        (CRYSTAL, {"order": 2}),
        (CRYSTAL, {"lattice": (1, -1, 2), "order": 3}),
        (CRYSTAL, {"rattle": 1e-8}),
        (SLAB, {"by": (0.1, 0.2, 5.3)}),
        (SLAB, {"order": 1, "lattice": (1, 0, 0)}),
    ],
)
def test_the_same(atoms, changes):
    assert are_same(atoms, moved(atoms, **changes))


@pytest.mark.parametrize(
    ("atoms", "changes"),
    [
        (ETHANOL, {"rattle": 1e-3}),
        (ETHANOL, {"info": {"charge": 1}}),
        (CRYSTAL, {"rattle": 1e-3}),
        (CRYSTAL, {"strain": 1e-4}),
        (SLAB, {"lattice": (0, 0, 1), "rattle": 1e-4}),
    ],
)
def test_not_the_same(atoms, changes):
    assert not are_same(atoms, moved(atoms, **changes))


def test_other_elements_are_another_structure():
    silver = Atoms("AgCu", [[0, 0, 0], [0, 0, 2.6]])
    assert not are_same(silver, Atoms("Cu2", silver.positions))


def test_many_are_grouped_each_once():
    rng = np.random.default_rng(0)
    frames = [moved(CRYSTAL, by=rng.normal()) for _ in range(5)] + [
        moved(CRYSTAL, rattle=0.01 * i) for i in range(1, 6)
    ]
    frames += [ETHANOL, moved(ETHANOL, turn=10)]
    assert same_geometries([structure_from(frame) for frame in frames]) == [[0, 1, 2, 3, 4], [10, 11]]


def test_conditions_that_tell_structures_apart_are_those_that_users_expect_to_matter():
    assert APART == COMMON
