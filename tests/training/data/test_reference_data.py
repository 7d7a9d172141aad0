"""What the pages of published data say of them is what we read."""

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from ase.io import read as ase_read

from mlzoo.training.data import Keys, Split, folds, look_over, overlap, read, read_dataset, read_references, split


def test_3bpa(shared):
    dataset = read_dataset(shared / "data/3bpa/train_300K.xyz")
    assert len(dataset.examples) == 500
    assert dataset.found == {"energy": {"energy": 500}, "forces": {"forces": 500}}
    assert dataset.examples[0].labels["energy"] == -17660.461737861464
    assert dataset.examples[0].labels["forces"][0].tolist() == [0.17092934, 0.13274200, 0.79555789]
    assert [len(part) for part in split(dataset.examples, Split(count=50, seed=1))] == [450, 50]
    assert not look_over(dataset.examples)
    test = read_dataset(shared / "data/3bpa/test_300K_unseen_from_mixedT.xyz").examples
    assert len(test) == 136
    assert not overlap(dataset.examples, test)  # "31 exact duplicates removed"


def test_3bpa_free_atoms(shared):
    assert read_references(shared / "data/3bpa/iso_atoms.xyz") == {
        6: -1029.4889999855063,
        1: -13.587222780835477,
        7: -1484.9814568572233,
        8: -2041.9816003861047,
    }


def test_acac(shared):
    dataset = read_dataset([shared / "data/acac/train_300K.xyz", shared / "data/acac/isolated_atoms.xyz"])
    assert Counter(example.group for example in dataset.examples) == {"300K_MD": 500}
    assert dataset.references == {"default": {1: -13.568422178253735, 6: -1026.8538996116154, 8: -2037.796869412825}}
    weighted = read(shared / "data/acac/train_300K.xyz", Keys(group_weights={"300K_MD": 0.5}))
    assert next(weighted).weight == 0.5


def test_mlearn_groups_and_stress(shared):
    path = shared / "data/mlearn/Si_train.xyz.gz"
    examples = read_dataset(path, Keys(group_key="group")).examples
    groups = Counter(example.group for example in examples)
    assert groups == {"AIMD-NVT": 90, "Vacancy": 57, "Elastic": 55, "Surface": 12}
    first = ase_read(path, 0)
    np.testing.assert_array_equal(examples[0].labels["stress"], first.get_stress())
    np.testing.assert_array_equal(examples[0].labels["forces"], first.get_forces())


def test_mlearn_without_some_stress(shared):
    assert read_dataset(shared / "data/mlearn/Ni_train.xyz.gz").found["stress"] == {"stress": 258}  # 5 of 263 lack it


@pytest.mark.parametrize(("element", "count"), [("Si", 3), ("Li", 3), ("Mo", 0), ("Ni", 4)])
def test_mlearn_tests_that_are_learned_from(shared, element, count):
    """README: "Test configs with the energy of a train config (probable duplicates)"."""
    folder = shared / "data/mlearn"
    train, test = (read_dataset(folder / f"{element}_{part}.xyz.gz").examples for part in ("train", "test"))
    assert [len(finding.sources) for finding in overlap(train, test)] == [count] * (count > 0)


def test_matbench_folds(shared):
    path = shared / "data/matbench_phonons/folds_0123.xyz.gz"
    examples = read_dataset(path, Keys(labels={"last_phonon_dos_peak": "last_phdos_peak"})).examples
    assert len(examples) == 1012
    assert examples[0].labels == {"last_phonon_dos_peak": 701.5857233477558}
    parts = [
        (value, len(training), len(validation)) for value, training, validation in folds(examples, "matbench_fold")
    ]
    assert [value for value, *_ in parts] == ["0", "1", "2", "3"]
    assert all(training + validation == 1012 for _, training, validation in parts)
    assert sum(validation for *_, validation in parts) == 1012
    assert [finding.kind for finding in look_over(examples)] == ["rare elements"]


def test_arrays_of_a_structure(shared):
    water = next(read(shared / "data/water_tensor/bulk_train.xyz.gz", Keys(labels=("mu", "alpha"))))
    assert (water.labels["mu"].shape, water.labels["alpha"].shape) == ((3,), (3, 3))


def test_torch_is_not_needed():
    code = "import sys, mlzoo.training.data; assert not {'torch', 'pymatgen.core', 'numba'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
