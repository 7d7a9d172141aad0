"""The phonons of Matbench: what the page says is what the networks said, and those that are kept can be asked."""

import csv
from pathlib import Path

import numpy as np
import pytest
from ase.io import read

import mlzoo

FOLDER = Path(__file__).parents[2] / "reproductions" / "megnet-matbench-phonons"


@pytest.fixture(scope="module")
def crystals(shared):
    return {a.info["mbid"]: a for a in read(shared / "data/matbench_phonons/folds_0123.xyz.gz", ":")}


def test_out_of_fold_predictions_are_as_near_as_the_page_says(crystals):
    with (FOLDER / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["mbid"]: int(row["fold"]) for row in rows} == {k: a.info["matbench_fold"] for k, a in crystals.items()}
    references = np.array([crystals[row["mbid"]].info["last_phdos_peak"] for row in rows])
    errors = np.abs([float(row["prediction"]) for row in rows] - references)
    assert errors.mean() < 32  # 1/cm
    assert f"**{errors.mean():.2f}**" in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_the_committee_that_is_kept_knows_what_it_has_learned(crystals):
    committee = mlzoo.committee(sorted((FOLDER / "models").iterdir()), device="cpu")
    few = [*crystals.values()][::40]
    answers = committee.predict(few, "last_phonon_dos_peak")
    found = np.array([each["last_phonon_dos_peak"] if isinstance(each, dict) else each for each in answers])
    assert np.abs(found - [a.info["last_phdos_peak"] for a in few]).mean() < 25
