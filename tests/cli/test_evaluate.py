"""`mlzoo evaluate`: errors in words, in JSON and as a page; failures named."""

import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

import mlzoo as library


@pytest.fixture
def labelled() -> list[Atoms]:
    """Five frames of diamond whose energies are 0.8 eV below the model's, in labelled.extxyz."""
    frames = [bulk("C", a=3.5 + 0.05 * n, cubic=True) for n in range(5)]
    for place, (atoms, said) in enumerate(zip(frames, library.load("mace-xtb-organic").predict(frames), strict=True)):
        atoms.calc = SinglePointCalculator(atoms, energy=said["energy"] - 0.8, forces=said["forces"])
        atoms.info |= {"kind": "odd" if place % 2 else "even", "other_energy": said["energy"]}
    write("labelled.extxyz", frames)
    return frames


def test_errors_are_printed_and_written(mlzoo, labelled):
    asked = mlzoo("evaluate", "mace-xtb-organic", "labelled.extxyz", "-o", "report.html", "-o", "errors.json")
    assert asked.exit_code == 0, asked.output
    (line,) = [line.split() for line in asked.stdout.splitlines() if "per atom" in line]
    assert line[3:8] == ["meV/atom", "5", "100.0", "100.0", "100.0"]
    said = json.loads(Path("errors.json").read_text())
    assert said["errors"]["energy"]["mae"] == pytest.approx(0.8, abs=1e-4)
    assert said["worst"]["energy_per_atom"][0]["source"].startswith("labelled.extxyz:")
    assert "100.0" in Path("report.html").read_text()
    assert "5 structures with 40 atoms compared." in asked.stderr


def test_a_bias_like_another_zero_is_pointed_out_and_aligned(mlzoo, labelled):
    asked = mlzoo("evaluate", "mace-xtb-organic", "labelled.extxyz")
    assert "the model's energies are +0.100 eV an atom off" in asked.stderr
    aligned = mlzoo("evaluate", "mace-xtb-organic", "labelled.extxyz", "--align", "composition", "-o", "errors.json")
    assert "SHIFTED before they were compared, by element, in eV an atom: C -0.1000" in aligned.stderr
    assert json.loads(Path("errors.json").read_text())["errors"]["energy"]["mae"] < 1e-5


def test_another_key_and_groups(mlzoo, labelled):
    asked = mlzoo(
        "evaluate",
        "mace-xtb-organic",
        "labelled.extxyz",
        "--key",
        "energy=other_energy",
        "--by",
        "kind",
        "-o",
        "e.json",
    )
    assert asked.exit_code == 0, asked.output
    said = json.loads(Path("e.json").read_text())
    assert said["errors"]["energy"]["mae"] < 1e-5
    assert said["by_group"]["odd"]["energy"]["count"] == 2
    assert "odd" in asked.stdout


def test_what_fails_is_named_and_the_exit_status_is_one(mlzoo, labelled):
    labelled[1].numbers[0] = 26
    labelled[3].calc.results["forces"][2] = np.nan
    write("labelled.extxyz", labelled)
    asked = mlzoo("evaluate", "mace-xtb-organic", "labelled.extxyz", "-o", "report.html")
    assert asked.exit_code == 1
    assert "error: labelled.extxyz:1: UnsupportedElement: the structure contains Fe" in asked.stderr
    assert "error: UnreadableFile: frame labelled.extxyz:3: forces[2, 0] is nan" in asked.stderr
    assert "3 structures with 24 atoms compared." in asked.stderr
    assert "Failed: 2" in Path("report.html").read_text()


def test_without_a_label_it_stops(mlzoo):
    write("bare.extxyz", bulk("C"))
    asked = mlzoo("evaluate", "mace-xtb-organic", "bare.extxyz", "-o", "report.html")
    assert asked.exit_code == 2
    assert "no labels that the model predicts: they have none, and mace-xtb-organic predicts energy" in asked.stderr
    assert not Path("report.html").exists()


def test_a_key_that_nothing_has_is_an_error(mlzoo, labelled):
    asked = mlzoo("evaluate", "mace-xtb-organic", "labelled.extxyz", "--key", "stress=REF_stress")
    assert asked.exit_code == 1
    assert "error: --key stress=REF_stress: nothing of that was compared." in asked.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--key", "energy"], "is not of the form LABEL=KEY"),
        (["--key", "band_gap=gap"], "mace-xtb-organic does not predict band_gap, but energy"),
        (["-o", "report.pdf"], "call it report.html or report.json"),
        (["-o", "labelled.extxyz"], "is the input, which is never overwritten"),
        (["--condition", "head=pbe"], "does not know head"),
    ],
)
def test_mistakes_are_told_before_any_work(mlzoo, labelled, words, said):
    asked = mlzoo("evaluate", "mace-xtb-organic", "labelled.extxyz", *words)
    assert asked.exit_code == 2
    assert said in asked.stderr


def test_a_free_atom_is_left_out(mlzoo, labelled):
    free = Atoms("C", info={"config_type": "IsolatedAtom"})
    free.calc = SinglePointCalculator(free, energy=-1.0)
    write("labelled.extxyz", [free, *labelled])
    asked = mlzoo("evaluate", "mace-xtb-organic", "labelled.extxyz")
    assert asked.exit_code == 0
    assert "1 free atom left out" in asked.stderr
    assert "5 structures with 40 atoms compared." in asked.stderr
