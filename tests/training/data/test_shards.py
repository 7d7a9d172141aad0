"""Shards give back what was written, one structure at a time, and what is not whole is told by its name."""

import os
import shutil
import tracemalloc

import h5py
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.io import write

from mlzoo.errors import InvalidTraining, UnreadableFile
from mlzoo.neighbors import find_pairs
from mlzoo.training.data import Keys, read
from mlzoo.training.data.shards import Shards, write_shards


@pytest.fixture
def file(tmp_path):
    """Crystals and molecules; labels of every shape, some of them missing; groups, weights, conditions, a free atom."""
    rng = np.random.default_rng(0)
    frames = []
    for number in range(7):
        atoms = bulk("NaCl", "rocksalt", a=5.6 + number / 30) if number % 2 else molecule("H2O")
        atoms.rattle(0.05, seed=number)
        atoms.info |= {"REF_energy": rng.normal(), "config_type": f"group {number % 3}", "charge": number % 2}
        atoms.info |= {"config_weight": 1 + number, "head": "pbe", "dipole": rng.normal(size=3), "level": 0.1 * number}
        atoms.arrays["REF_forces"] = rng.normal(size=(len(atoms), 3))
        if number != 3:
            atoms.arrays["q"] = rng.normal(size=len(atoms))
        if number % 2:
            atoms.info["REF_stress"] = rng.normal(size=6)
        frames.append(atoms)
    frames.append(Atoms("H", info={"config_type": "IsolatedAtom", "REF_energy": -13.6, "head": "pbe"}))
    write(tmp_path / "data.xyz", frames)
    return tmp_path / "data.xyz"


KEYS = Keys(labels={"charges": "q", "dipole": "dipole"})


def assert_same(ours, theirs):
    for name in ("atomic_numbers", "positions", "cell", "pbc"):
        a, b = getattr(ours.structure, name), getattr(theirs.structure, name)
        assert a.dtype == b.dtype
        assert np.array_equal(a, b)
    assert ours.structure.conditions == theirs.structure.conditions
    assert (ours.weight, ours.group, ours.source) == (theirs.weight, theirs.group, theirs.source)
    assert ours.labels.keys() == theirs.labels.keys()
    for name, label in ours.labels.items():
        assert type(label) is type(theirs.labels[name])
        assert np.array_equal(label, theirs.labels[name])


def test_what_was_written_comes_back_bit_for_bit(file, tmp_path):
    assert write_shards(file, tmp_path / "shards", KEYS, cutoff=4.0, size=3) == 7
    shards = Shards(tmp_path / "shards")
    expected = list(read(file, KEYS))
    assert (len(shards), [each.structures for each in shards.files]) == (7, [3, 3, 1])
    for ours, theirs in zip(shards, expected, strict=True):
        assert_same(ours, theirs)
        within, pairs = ours.neighbours
        structure = theirs.structure
        found = find_pairs(structure.positions, structure.cell, structure.pbc, 4.0)
        assert within == 4.0
        for name in ("senders", "receivers", "shifts"):
            assert np.array_equal(getattr(pairs, name), getattr(found, name))
            assert getattr(pairs, name).dtype == np.int64
    assert_same(shards[5], expected[5])
    assert shards.references == {"pbe": {1: -13.6}}


def bent(path, dataset, place):
    with h5py.File(path, "r+") as file:
        file[dataset][place] += 1


@pytest.mark.parametrize(("dataset", "place"), [("floats", 3), ("integers", 1), ("text", 10)])
def test_only_the_structure_that_is_asked_for_is_read(file, tmp_path, dataset, place):
    """One that is damaged is told with its file, and does not matter to the others."""
    write_shards(file, tmp_path / "shards", KEYS, size=4)
    bent(tmp_path / "shards" / "00000.h5", dataset, place)
    shards = Shards(tmp_path / "shards")
    assert [each.source for each in (shards[1], shards[3], shards[6])] == [f"{file}:{k}" for k in (1, 3, 6)]
    with pytest.raises(UnreadableFile, match=r"00000\.h5 is damaged at its structure 0"):
        shards[0]


def test_a_file_that_is_not_whole_is_told_before_anything_is_read(file, tmp_path):
    folder = tmp_path / "shards"
    write_shards(file, folder, size=4)
    shutil.copytree(folder, tmp_path / "copy")
    whole = (folder / "00001.h5").read_bytes()
    (folder / "00001.h5").write_bytes(whole[:-100])
    with pytest.raises(UnreadableFile, match=rf"00001\.h5 has {len(whole) - 100} bytes of {len(whole)}"):
        Shards(folder)
    shards = Shards(tmp_path / "copy")
    assert shards[3].source == f"{file}:3"
    os.truncate(tmp_path / "copy" / "00000.h5", 3000)
    with pytest.raises(UnreadableFile, match=r"00000\.h5 is damaged at its structure 3 \(it ends before\)"):
        shards[3]
    (folder / "00001.h5").write_bytes(bytes(len(whole)))
    with pytest.raises(UnreadableFile, match=r"00001\.h5 is damaged \("):
        list(Shards(folder))
    (folder / "00001.h5").unlink()
    with pytest.raises(UnreadableFile, match=r"00001\.h5 is missing"):
        Shards(folder)
    (folder / "shards.json").unlink()
    with pytest.raises(UnreadableFile, match=r"has no shards\.json, which is written last"):
        Shards(folder)
    with pytest.raises(InvalidTraining, match="is there already"):
        write_shards(file, folder)


def test_memory_does_not_grow_with_the_data(tmp_path):
    """Sixty structures of a thousand atoms with their neighbours, of which one fits into what may be held."""
    large = bulk("Cu", cubic=True) * (6, 6, 7)
    frames = []
    for number in range(60):
        each = large.copy()
        each.rattle(0.02, seed=number)
        frames.append(each)
    write(tmp_path / "large.traj", frames)
    write_shards(tmp_path / "large.traj", tmp_path / "shards", cutoff=3.0, size=20)
    shards = Shards(tmp_path / "shards")
    on_disk = sum(each.bytes for each in shards.files)
    tracemalloc.start()
    try:
        atoms = sum(len(each.structure.atomic_numbers) for each in shards)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert atoms == 60 * len(large)
    assert most < on_disk / 10
