"""One structure, a list, or an iterator: the same numbers, in batches, with every failure named."""

import itertools
import json

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, graphene, molecule
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor

import mlzoo
from mlzoo.errors import (
    InvalidCondition,
    InvalidStructure,
    PredictionError,
    UnsupportedElement,
    UnsupportedProperty,
)


@pytest.fixture(scope="module")
def model():
    return mlzoo.load("mace-xtb-organic", dtype="float64", device="cpu")


def many(count: int) -> list[Atoms]:
    """Diamonds, layers, molecules and free atoms: one to twelve atoms, one of them of another element."""
    rng = np.random.default_rng(0)
    made = []
    for _ in range(count):
        kind = rng.integers(4)
        if kind == 0:
            atoms = bulk("C") * (1, 1, int(rng.integers(1, 4)))
        elif kind == 1:
            atoms = graphene(vacuum=8.0)
        elif kind == 2:
            atoms = Atoms("H")
        else:
            atoms = molecule(rng.choice(["H2O", "CH3CH2OH", "C6H6", "CH3CN", "CH3COCl", "CH3SCH3", "C2F4"]))
        atoms.numbers[rng.integers(len(atoms))] = rng.choice([1, 6, 7, 8, 9, 16, 17])
        atoms.rattle(0.05, seed=int(rng.integers(1 << 30)))
        made.append(atoms)
    return made


def assert_same(found: dict, expected: dict, tolerance: float = 1e-9):
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert np.abs(np.asarray(found[key]) - np.asarray(value)).max() < tolerance, key


def test_a_thousand_structures_equal_one_by_one_and_bad_ones_are_kept_apart(model):
    drawn = many(250)
    alone = [model.predict(atoms) for atoms in drawn]
    structures = drawn * 4  # each among other neighbours in its batch
    structures[3] = Atoms("Xe")
    structures[617] = Atoms("C2", positions=[[0, 0, 0], [0, 0, 0]])
    structures[999] = Atoms("C", positions=[[0, 0, np.nan]])
    failed = {}
    for index, found in enumerate(model.predict(structures, on_error="keep")):
        if isinstance(found, PredictionError):
            failed[index] = found
        else:
            assert_same(found, alone[index % 250])
    assert list(failed) == [3, 617, 999] == [error.index for error in failed.values()]
    assert [type(error.reason) for error in failed.values()] == [UnsupportedElement, InvalidStructure, InvalidStructure]


def test_a_failure_is_raised_with_its_index_unless_it_is_to_be_kept(model):
    with pytest.raises(PredictionError, match="structure 1: UnsupportedElement: the structure contains Xe"):
        model.predict([bulk("C"), Atoms("Xe")])


def test_an_iterator_is_read_as_answers_are_asked_for(model):
    def endless():
        for count in itertools.count():
            yield molecule("CH4" if count % 2 else "H2O")

    answers = model.predict(endless(), max_edges=100)
    first = list(itertools.islice(answers, 5))
    assert [round(answer["energy"], 6) for answer in first] == [
        round(model.predict(molecule(name))["energy"], 6) for name in ("H2O", "CH4", "H2O", "CH4", "H2O")
    ]


def test_the_edge_budget_changes_no_number(model):
    structures = many(20)
    for found, expected in zip(
        model.predict(structures, max_edges=1), model.predict(structures, max_edges=10**6), strict=True
    ):
        assert_same(found, expected)


DISORDERED = Structure(Lattice.cubic(3.6), [{"C": 0.5, "N": 0.5}], [[0, 0, 0]])


@pytest.mark.parametrize(
    ("structure", "sentence"),
    [
        (
            Atoms("CXe", positions=[[0, 0, 0], [0, 0, 3]]),
            r"contains Xe, but mace-xtb-organic knows only H, C, N, O, F, S, Cl",
        ),
        (Atoms("C", positions=[[0, np.nan, 0]]), r"position 0 is \[0.0, nan, 0.0\]: not finite"),
        (
            Atoms("CN", positions=[[0, 0, 0], [0, 0, 1e-4]]),
            r"atoms 0 \(C\) and 1 \(N\) overlap: they are 0.0001 Å apart",
        ),
        (Atoms("C", cell=[3, 3, 0], pbc=True), r"periodic along axis 2, but lattice vector 2 is zero"),
        (Atoms("C", cell=[[3, 0, 0], [6, 0, 0], [0, 0, 3]], pbc=True), r"linearly dependent: the cell is singular"),
        (Atoms("C", cell=[[3, 0, 0], [0, np.inf, 0], [0, 0, 3]], pbc=True), r"lattice vector 1 is .* not finite"),
        (DISORDERED, r"site 0 is disordered \(.*\): a model needs one element on each site"),
        (Atoms(), "the structure is empty: there are no atoms"),
        (Atoms("XC", positions=[[0, 0, 0], [0, 0, 3]]), "atom 0 has atomic number 0, which is no element"),
        (42, "a builtins.int is not a structure. Pass an ase.Atoms or a pymatgen Structure or Molecule"),
    ],
    ids=["element", "NaN", "overlap", "zero vector", "singular", "infinite", "disordered", "empty", "dummy", "number"],
)
def test_bad_input_is_refused_in_a_sentence(model, structure, sentence):
    with pytest.raises(InvalidStructure, match=sentence):
        model.predict(structure)
    if structure != 42:
        with pytest.raises(PredictionError, match=sentence):
            model.predict([bulk("C"), structure])


def test_only_what_is_asked_for(model):
    assert model.predict(bulk("C"), ["energy"]).keys() == {"energy"}
    assert model.predict(bulk("C"), "forces").keys() == {"forces"}
    with pytest.raises(UnsupportedProperty, match=r"does not predict band_gap. It predicts energy, energies, forces"):
        model.predict(bulk("C"), ["band_gap"])


def test_unknown_conditions_are_refused_and_carried_ones_warn(model):
    with pytest.raises(InvalidCondition, match=r"does not know charge=1; it knows no conditions"):
        model.predict(bulk("C"), charge=1)
    charged = bulk("C")
    charged.info["charge"] = 1
    with pytest.warns(UserWarning, match="does not know charge, so charge=1 changes nothing"):
        model.predict(charged)


def test_types_are_plain(model):
    answer = model.predict(bulk("C", cubic=True))
    assert isinstance(answer["energy"], float)
    shapes = {"energies": (8,), "forces": (8, 3), "virial": (3, 3), "stress": (6,)}
    assert {key: answer[key].shape for key in shapes} == shapes
    assert "stress" not in model.predict(molecule("CH4"))


def test_pymatgen_and_ase_agree(model):
    atoms = bulk("C", cubic=True)
    atoms.rattle(0.1, seed=0)
    assert_same(model.predict(AseAtomsAdaptor.get_structure(atoms)), model.predict(atoms))
    atoms.pbc, atoms.cell = False, None
    assert_same(model.predict(AseAtomsAdaptor.get_molecule(atoms)), model.predict(atoms))


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("not enough memory: you tried")]
)
def test_out_of_memory_halves_the_batch_and_says_so(monkeypatch, caplog, error):
    model = mlzoo.load("mace-xtb-organic", device="cpu")
    expected = model.predict(many(8))
    forward = type(model.form).forward

    def small_memory(self, graph):
        if graph.n_structures > 2:
            raise error
        return forward(self, graph)

    monkeypatch.setattr(type(model.form), "forward", small_memory)
    for found, wanted in zip(model.predict(many(8)), expected, strict=True):
        assert_same(found, wanted, 1e-5)
    assert "out of memory with 8 structures in a batch; going on with 4" in caplog.text


def test_hessian_is_symmetric_and_sums_to_zero(model):
    atoms = bulk("C", cubic=True)
    atoms.rattle(0.05, seed=1)
    hessian = model.hessian(atoms)
    assert hessian.shape == (8, 3, 8, 3)
    matrix = hessian.reshape(24, 24)
    assert np.abs(matrix - matrix.T).max() < 1e-9
    assert np.abs(hessian.sum(axis=2)).max() < 1e-9


def test_provenance_is_json_and_says_everything(model):
    said = json.loads(json.dumps(model.provenance))
    assert {"device", "dtype", "mlzoo", "torch", "segments", "kernels"} <= said.keys()
    assert said["dtype"] == "float64"


class TestDescriptors:
    def test_they_do_not_turn_and_are_those_of_each_atom(self, model):
        atoms = many(3)[2]
        found = model.descriptors(atoms)
        turned = atoms.copy()
        turned.rotate(33, (1, 2, 3), rotate_cell=True)
        np.testing.assert_allclose(model.descriptors(turned), found, atol=1e-10)
        order = np.random.default_rng(0).permutation(len(atoms))
        np.testing.assert_allclose(model.descriptors(atoms[order]), found[order], atol=1e-10)

    def test_layers_stand_side_by_side(self, model):
        atoms = bulk("C")
        both, first, last = (model.descriptors(atoms, layers=layers) for layers in (None, [0], [-1]))
        np.testing.assert_array_equal(both, np.concatenate([first, last], axis=1))

    def test_a_layer_that_is_not_there(self, model):
        with pytest.raises(UnsupportedProperty, match=r"layers=\[5\]: mace-xtb-organic has 2, counted from 0"):
            model.descriptors(bulk("C"), layers=[5])
