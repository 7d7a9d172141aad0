"""Training and validation have nothing in common, and a seed gives the same parts again."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mlzoo.structures import structure_from
from mlzoo.training.data import Example, InvalidSplit, Split, folds, split


def example(length, source="a.xyz:0", **info):
    return Example(structure_from(Atoms("Cu2", [[0, 0, 0], [0, 0, length]], info=info)), {}, source=source)


MANY = [example(2 + i / 100, f"{'ab'[i % 2]}.xyz:{i // 2}", fold=i % 3) for i in range(30)]


def lengths(examples):
    return [float(each.structure.positions[1, 2]) for each in examples]


@given(st.integers(0, 2**32), st.integers(0, 29))
def test_parts_are_disjoint_complete_and_reproducible(seed, count):
    training, validation = split(MANY, Split(count=count, seed=seed))
    assert len(validation) == count
    assert sorted(lengths(training) + lengths(validation)) == lengths(MANY)
    assert lengths(split(MANY, Split(count=count, seed=seed))[1]) == lengths(validation)


@given(st.permutations(range(30)))
def test_the_order_of_files_and_frames_and_their_names_do_not_matter(order):
    shuffled = [example(2 + i / 100, f"elsewhere.xyz:{i}") for i in order]
    assert sorted(lengths(split(shuffled)[1])) == sorted(lengths(split(MANY)[1]))


def test_another_seed_gives_another_part():
    assert lengths(split(MANY, Split(seed=1))[1]) != lengths(split(MANY, Split(seed=2))[1])


def test_parts_keep_the_order_in_which_examples_came():
    for part in split(MANY, Split(fraction=0.5)):
        assert lengths(part) == sorted(lengths(part))


@pytest.mark.parametrize(("how", "count"), [(Split(), 3), (Split(fraction=0.25), 8), (Split(fraction=0.0), 0)])
def test_a_fraction_is_rounded_and_a_tenth_where_nothing_is_said(how, count):
    assert len(split(MANY, how)[1]) == count


@pytest.mark.parametrize("seed", range(10))
def test_copies_fall_to_the_same_side(seed):
    copied = [example(2 + (i // 2) / 100, f"a.xyz:{i}") for i in range(30)]
    training, validation = split(copied, Split(count=10, seed=seed))
    assert len(validation) == 10
    assert not set(lengths(training)) & set(lengths(validation))


def test_what_stands_in_a_file_is_held_back(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.xyz", "b.xyz", "c.xyz"):
        (tmp_path / name).touch()
    training, validation = split(MANY, Split(files=Path("./b.xyz")))
    assert {each.source[0] for each in training} == {"a"}
    assert {each.source[0] for each in validation} == {"b"}
    with pytest.raises(InvalidSplit, match=r"no structure was read from c.xyz, which is to be held back"):
        split(MANY, Split(files=("c.xyz",)))


def test_a_fold_is_held_back():
    training, validation = split(MANY, Split(fold_key="fold", fold=2))
    assert {each.structure.conditions["fold"] for each in validation} == {2}
    assert {each.structure.conditions["fold"] for each in training} == {0, 1}
    with pytest.raises(InvalidSplit, match=r"no structure has fold=7, which is to be held back. Values are 0, 1, 2"):
        split(MANY, Split(fold_key="fold", fold=7))
    with pytest.raises(InvalidSplit, match=r"a.xyz:0 has no 'part', by which to split. It has fold"):
        split(MANY, Split(fold_key="part", fold=7))


def test_cross_validation_holds_back_each_example_once():
    held_back = []
    for value, training, validation in folds(MANY, "fold"):
        assert {str(each.structure.conditions["fold"]) for each in validation} == {value}
        assert len(training) + len(validation) == len(MANY)
        held_back += lengths(validation)
    assert sorted(held_back) == lengths(MANY)
    with pytest.raises(InvalidSplit, match="'fold' has the one value 0, and cross-validation needs two"):
        list(folds(MANY[::3], "fold"))


@pytest.mark.parametrize("how", [Split(count=30), Split(fraction=0.99, seed=1), Split(fold_key="fold", fold=(0, 1, 2))])
def test_something_is_left_to_learn_from(how):
    with pytest.raises(InvalidSplit, match=r"none to learn from|Leave some to learn from"):
        split(MANY, how)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"fraction": 0.1, "count": 3}, "fraction and count are several"),
        ({"fold_key": "fold"}, "fold_key and fold belong together"),
        ({"fold": 3}, "fold_key and fold belong together"),
        ({"fraction": 1.0}, "less than 1"),
        ({"count": -1}, "greater than or equal to 0"),
        ({"ratio": 0.1}, "Extra inputs"),
    ],
)
def test_a_split_is_made_in_one_way(said, sentence):
    with pytest.raises(ValidationError, match=sentence):
        Split(**said)


def test_splitting_nothing_and_one():
    assert split([]) == ([], [])
    assert [len(part) for part in split(MANY[:1])] == [1, 0]
    assert np.all([len(part) == 1 for part in split(MANY[:2])])
