"""What a user has, in one form; what no model can evaluate, refused with the reason."""

from io import StringIO

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.io import read
from pymatgen.core import DummySpecies, Lattice
from pymatgen.core import Molecule as PymatgenMolecule
from pymatgen.core import Structure as PymatgenStructure

from mlzoo.errors import InvalidStructure
from mlzoo.structures import is_structure, structure_from

ROCKSALT = bulk("NaCl", "rocksalt", a=5.6)
WATER = molecule("H2O")


def as_pymatgen(atoms):
    if not atoms.pbc.any():
        return PymatgenMolecule([*atoms.symbols], atoms.positions)
    return PymatgenStructure(Lattice(atoms.cell.array), [*atoms.symbols], atoms.positions, coords_are_cartesian=True)


@pytest.mark.parametrize("atoms", [ROCKSALT, WATER])
def test_ase_and_pymatgen_give_the_same_structure(atoms):
    one, other = structure_from(atoms), structure_from(as_pymatgen(atoms))
    assert one.atomic_numbers.tolist() == other.atomic_numbers.tolist()
    np.testing.assert_allclose(one.positions, other.positions, atol=1e-12)
    np.testing.assert_allclose(one.cell, other.cell, atol=1e-12)
    assert one.pbc.tolist() == other.pbc.tolist()


@pytest.mark.parametrize("source", [ROCKSALT, as_pymatgen(ROCKSALT), as_pymatgen(WATER), structure_from(WATER)])
def test_structures_are_told_from_lists_of_them(source):
    assert is_structure(source)
    assert not is_structure([source])


def test_what_is_read_shares_no_memory_with_the_callers_arrays():
    atoms = ROCKSALT.copy()
    read = structure_from(atoms)
    read.positions[:], read.cell[:], read.atomic_numbers[:] = 7, 7, 7
    assert atoms == ROCKSALT


def test_conditions_are_read_from_info_and_attributes_and_overridden_by_the_caller():
    atoms = Atoms("He", info={"charge": 2, "spin": 1, "matrix": np.eye(3)})
    assert structure_from(atoms).conditions == {"charge": 2, "spin": 1}
    assert structure_from(atoms, {"charge": 1}).conditions == {"charge": 1, "spin": 1}
    lattice = Lattice.cubic(4)
    assert structure_from(PymatgenStructure(lattice, ["He"], [[0, 0, 0]], charge=1)).conditions == {"charge": 1}
    assert structure_from(PymatgenStructure(lattice, ["He"], [[0, 0, 0]])).conditions == {}
    assert structure_from(PymatgenMolecule(["He"], [[0, 0, 0]], charge=1)).conditions == {"charge": 1, "spin": 2}


@pytest.mark.parametrize(
    ("pbc", "cell", "has_volume"),
    [
        (True, [3, 3, 3], True),
        ((True, True, False), [3, 3, 9], True),
        ((True, True, False), [3, 3, 0], False),
        (False, [3, 3, 3], False),
    ],
)
def test_a_volume_needs_a_periodic_direction_and_three_vectors(pbc, cell, has_volume):
    assert structure_from(Atoms("He", cell=cell, pbc=pbc)).has_volume == has_volume


def moved(value):
    atoms = WATER.copy()
    atoms.positions[1, 2] = value
    return atoms


LATTICE = Lattice.cubic(4)
REFUSED = {
    "no atoms": (Atoms(), "the structure is empty: there are no atoms"),
    "not a number": (moved(np.nan), r"position 1 is \[.*nan\]: not finite"),
    "infinite": (moved(np.inf), r"position 1 is \[.*inf\]: not finite"),
    "cell not a number": (Atoms("He", cell=[1, np.nan, 1], pbc=False), r"lattice vector 1 is \[.*nan.*\]: not finite"),
    "dummy atom": (Atoms("HX"), "atom 1 has atomic number 0, which is no element. Replace dummy atoms"),
    "dummy species": (PymatgenStructure(LATTICE, [DummySpecies("X")], [[0, 0, 0]]), "which is no element"),
    "periodic without a vector": (
        Atoms("He", cell=[0, 2, 2], pbc=True),
        r"periodic along axis 0, but lattice vector 0 is zero",
    ),
    "singular cell": (
        Atoms("He", cell=[[1, 0, 0], [0, 1, 0], [1, 1, 0]], pbc=True),
        "are linearly dependent: the cell is singular",
    ),
    "disordered": (
        PymatgenStructure(LATTICE, [{"Cu": 0.5, "Au": 0.5}], [[0, 0, 0]]),
        "site 0 is disordered .*OrderDisordered",
    ),
    "not a structure": ("POSCAR", "a builtins.str is not a structure. Pass an ase.Atoms or a pymatgen"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_model_can_evaluate_is_refused_with_the_reason(case):
    source, sentence = REFUSED[case]
    with pytest.raises(InvalidStructure, match=sentence):
        structure_from(source)


CIF = """data_cuau
_cell_length_a 3.75
_cell_length_b 3.75
_cell_length_c 3.75
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_Int_Tables_number 221
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Pd1 Pd 0 0.5 0.5 1
Cu1 Cu 0 0 0 {first}
"""
SHARED = "Au1 Au 0 0 0 0.25\n"


def from_cif(text):
    return read(StringIO(text), format="cif")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (CIF.format(first=0.75) + SHARED, r"site 1 is disordered \(Cu:0.75, Au:0.25\).*OrderDisordered"),
        (CIF.format(first="0.90(2)"), r"site 1 is disordered \(Cu:0.9\).*atoms.info\['occupancy'\]"),
        (CIF.format(first=1) + SHARED.replace("0.25", "1"), r"site 1 is disordered \(Cu:1, Au:1\)"),
    ],
)
def test_a_cif_with_partly_occupied_sites_is_refused(text, said):
    with pytest.raises(InvalidStructure, match=said):
        structure_from(from_cif(text))


@pytest.mark.parametrize("first", [1, "1.0000(3)", 0.9995, "."])
def test_a_cif_with_whole_sites_is_taken(first):
    assert structure_from(from_cif(CIF.format(first=first))).atomic_numbers.tolist() == [46, 46, 46, 29]


def test_of_a_disordered_cif_only_the_atoms_that_are_there_count():
    atoms = from_cif(CIF.format(first=0.75) + SHARED)
    assert len(structure_from(atoms[atoms.symbols == "Pd"]).atomic_numbers) == 3
    del atoms.info["occupancy"]
    assert len(structure_from(atoms).atomic_numbers) == 4
    assert len(structure_from(Atoms("He", info={"occupancy": 0.5})).atomic_numbers) == 1


def test_a_vector_of_an_open_direction_may_be_anything():
    flat = Atoms("He", cell=[[3, 0, 0], [0, 3, 0], [1, 1, 0]], pbc=(True, True, False))
    assert structure_from(flat).pbc.tolist() == [True, True, False]
