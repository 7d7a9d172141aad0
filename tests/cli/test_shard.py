"""`mlzoo shard`: a folder that a training run takes for a file."""

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.io import write

from mlzoo.training.data.shards import Shards


@pytest.fixture
def labelled():
    frames = [bulk("Cu", a=3.5 + 0.05 * n, cubic=True) for n in range(5)]
    for place, atoms in enumerate(frames):
        atoms.info |= {"total": -1.5 * place}
        atoms.arrays["q"] = np.full(4, 0.1 * place)
    write("labelled.extxyz", frames)


def test_labels_under_keys_that_are_said(mlzoo, labelled):
    asked = mlzoo(
        "shard",
        "label*.extxyz",
        "-o",
        "s",
        "--key",
        "energy=total",
        "--key",
        "charges=q",
        "--cutoff",
        "3",
        "--size",
        "2",
    )
    assert asked.exit_code == 0, asked.output
    assert "5 structures in s" in asked.stderr
    shards = Shards(Path("s"))
    assert [each.structures for each in shards.files] == [2, 2, 1]
    assert [each.labels["energy"] for each in shards] == [-1.5 * place for place in range(5)]
    assert shards[4].labels["charges"].tolist() == pytest.approx([0.4] * 4)
    assert shards[0].neighbours[0] == 3.0


def test_what_is_there_stays(mlzoo, labelled):
    assert mlzoo("shard", "labelled.extxyz", "-o", "s").exit_code == 0
    again = mlzoo("shard", "labelled.extxyz", "-o", "s")
    assert again.exit_code == 2
    assert "s is there already. Name another folder, or delete it." in again.stderr
    wrong = mlzoo("shard", "labelled.extxyz", "-o", "t", "--key", "energy")
    assert wrong.exit_code == 2
    assert "is not of the form LABEL=KEY" in wrong.stderr
