"""One structure, a list, or an iterator: the same numbers, in batches, with every failure named."""

import itertools
import json

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, fcc111
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
    return mlzoo.load("m3gnet-emt", dtype="float64", device="cpu")


def many(count: int) -> list[Atoms]:
    """Crystals, slabs and clusters of one to twelve atoms."""
    rng = np.random.default_rng(0)
    metals = ["Al", "Ni", "Cu", "Pd", "Ag", "Pt", "Au"]
    made = []
    for _ in range(count):
        metal = rng.choice(metals)
        kind = rng.integers(4)
        if kind == 0:
            atoms = bulk(metal) * tuple(rng.integers(1, 3, 3))
        elif kind == 1:
            atoms = fcc111(metal, (1, 1, 3), vacuum=8.0)
        elif kind == 2:
            atoms = Atoms([metal], positions=[[0, 0, 0]])
        else:
            atoms = bulk(metal, cubic=True) * (1, 1, 2)
            atoms.pbc = False
        atoms.numbers[rng.integers(len(atoms))] = bulk(rng.choice(metals)).numbers[0]
        atoms.rattle(0.05, seed=int(rng.integers(1 << 30)))
        made.append(atoms)
    return made


def assert_same(found: dict, expected: dict, tolerance: float = 1e-9):
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert np.abs(np.asarray(found[key]) - np.asarray(value)).max() < tolerance, key


def test_a_thousand_structures_equal_one_by_one_and_bad_ones_are_kept_apart(model):
    structures = many(1000)
    structures[3] = Atoms("Xe")
    structures[617] = Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 0]])
    structures[999] = Atoms("Cu", positions=[[0, 0, np.nan]])
    failed = {}
    for index, (atoms, found) in enumerate(zip(structures, model.predict(structures, on_error="keep"), strict=True)):
        if isinstance(found, PredictionError):
            failed[index] = found
        else:
            assert_same(found, model.predict(atoms))
    assert list(failed) == [3, 617, 999] == [error.index for error in failed.values()]
    assert [type(error.reason) for error in failed.values()] == [UnsupportedElement, InvalidStructure, InvalidStructure]


def test_a_failure_is_raised_with_its_index_unless_it_is_to_be_kept(model):
    with pytest.raises(PredictionError, match="structure 1: UnsupportedElement: the structure contains Xe"):
        model.predict([bulk("Cu"), Atoms("Xe")])


def test_an_iterator_is_read_as_answers_are_asked_for(model):
    def endless():
        for count in itertools.count():
            yield bulk("Cu") if count % 2 else bulk("Ag")

    answers = model.predict(endless(), max_edges=100)
    first = list(itertools.islice(answers, 5))
    assert [round(answer["energy"], 6) for answer in first] == [
        round(model.predict(bulk(symbol))["energy"], 6) for symbol in ("Ag", "Cu", "Ag", "Cu", "Ag")
    ]


def test_the_edge_budget_changes_no_number(model):
    structures = many(20)
    for found, expected in zip(
        model.predict(structures, max_edges=1), model.predict(structures, max_edges=10**6), strict=True
    ):
        assert_same(found, expected)


DISORDERED = Structure(Lattice.cubic(3.6), [{"Cu": 0.5, "Au": 0.5}], [[0, 0, 0]])


@pytest.mark.parametrize(
    ("structure", "sentence"),
    [
        (
            Atoms("CuXe", positions=[[0, 0, 0], [0, 0, 3]]),
            r"contains Xe, but m3gnet-emt knows only Al, Ni, Cu, Pd, Ag, Pt, Au",
        ),
        (Atoms("Cu", positions=[[0, np.nan, 0]]), r"position 0 is \[0.0, nan, 0.0\]: not finite"),
        (
            Atoms("CuAu", positions=[[0, 0, 0], [0, 0, 1e-4]]),
            r"atoms 0 \(Cu\) and 1 \(Au\) overlap: they are 0.0001 Å apart",
        ),
        (Atoms("Cu", cell=[3, 3, 0], pbc=True), r"periodic along axis 2, but lattice vector 2 is zero"),
        (Atoms("Cu", cell=[[3, 0, 0], [6, 0, 0], [0, 0, 3]], pbc=True), r"linearly dependent: the cell is singular"),
        (Atoms("Cu", cell=[[3, 0, 0], [0, np.inf, 0], [0, 0, 3]], pbc=True), r"lattice vector 1 is .* not finite"),
        (DISORDERED, r"site 0 is disordered \(.*\): a model needs one element on each site"),
        (Atoms(), "the structure is empty: there are no atoms"),
        (Atoms("XCu", positions=[[0, 0, 0], [0, 0, 3]]), "atom 0 has atomic number 0, which is no element"),
        (42, "a builtins.int is not a structure. Pass an ase.Atoms or a pymatgen Structure or Molecule"),
    ],
    ids=["element", "NaN", "overlap", "zero vector", "singular", "infinite", "disordered", "empty", "dummy", "number"],
)
def test_bad_input_is_refused_in_a_sentence(model, structure, sentence):
    with pytest.raises(InvalidStructure, match=sentence):
        model.predict(structure)
    if structure != 42:
        with pytest.raises(PredictionError, match=sentence):
            model.predict([bulk("Cu"), structure])


def test_only_what_is_asked_for(model):
    assert model.predict(bulk("Cu"), ["energy"]).keys() == {"energy"}
    assert model.predict(bulk("Cu"), "forces").keys() == {"forces"}
    with pytest.raises(UnsupportedProperty, match=r"does not predict band_gap. It predicts energy, energies, forces"):
        model.predict(bulk("Cu"), ["band_gap"])


def test_unknown_conditions_are_refused_and_carried_ones_warn(model):
    with pytest.raises(InvalidCondition, match=r"does not know charge=1; it knows no conditions"):
        model.predict(bulk("Cu"), charge=1)
    charged = bulk("Cu")
    charged.info["charge"] = 1
    with pytest.warns(UserWarning, match="does not know charge, so charge=1 changes nothing"):
        model.predict(charged)


def test_types_are_plain(model):
    answer = model.predict(bulk("Cu", cubic=True))
    assert isinstance(answer["energy"], float)
    shapes = {"energies": (4,), "forces": (4, 3), "virial": (3, 3), "stress": (6,)}
    assert {key: answer[key].shape for key in shapes} == shapes
    assert "stress" not in model.predict(Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.5]]))


def test_pymatgen_and_ase_agree(model):
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=0)
    assert_same(model.predict(AseAtomsAdaptor.get_structure(atoms)), model.predict(atoms))
    atoms.pbc, atoms.cell = False, None
    assert_same(model.predict(AseAtomsAdaptor.get_molecule(atoms)), model.predict(atoms))


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("not enough memory: you tried")]
)
def test_out_of_memory_halves_the_batch_and_says_so(monkeypatch, caplog, error):
    model = mlzoo.load("m3gnet-emt", device="cpu")
    expected = model.predict(many(8))
    forward = type(model.model).forward

    def small_memory(self, graph):
        if graph.n_structures > 2:
            raise error
        return forward(self, graph)

    monkeypatch.setattr(type(model.model), "forward", small_memory)
    for found, wanted in zip(model.predict(many(8)), expected, strict=True):
        assert_same(found, wanted, 1e-5)
    assert "out of memory with 8 structures in a batch; going on with 4" in caplog.text


def test_hessian_is_symmetric_and_sums_to_zero(model):
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.05, seed=1)
    hessian = model.hessian(atoms)
    assert hessian.shape == (4, 3, 4, 3)
    matrix = hessian.reshape(12, 12)
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
        atoms = bulk("Cu")
        both, first, last = (model.descriptors(atoms, layers=layers) for layers in (None, [0], [-1]))
        np.testing.assert_array_equal(both, np.concatenate([first, last], axis=1))

    def test_a_layer_that_is_not_there(self, model):
        with pytest.raises(UnsupportedProperty, match=r"layers=\[5\]: m3gnet-emt has 2, counted from 0"):
            model.descriptors(bulk("Cu"), layers=[5])
