"""`mlzoo predict`: every frame answered or named."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import PropertyNotImplementedError
from ase.io import read, write

import mlzoo as library
from mlzoo import weights
from mlzoo.predictor import Predictor
from mlzoo_megnet.config import MEGNetConfig
from mlzoo_megnet.model import MEGNet


@pytest.fixture
def frames():
    """Five frames of diamond, written to frames.extxyz."""
    made = [bulk("C", a=3.5 + 0.05 * n, cubic=True) for n in range(5)]
    for seed, atoms in enumerate(made):
        atoms.rattle(0.05, seed=seed)
    write("frames.extxyz", made)
    return read("frames.extxyz", ":")  # the 8 decimals of the file


def test_the_output_carries_what_the_library_predicts(mlzoo, frames):
    asked = mlzoo("predict", "frames.extxyz", "-o", "out.extxyz")
    assert asked.exit_code == 0
    written = read("out.extxyz", ":")
    expected = library.load("mace-xtb-organic").predict(frames)
    for atoms, said in zip(written, expected, strict=True):
        assert atoms.get_potential_energy() == pytest.approx(said["energy"], abs=1e-6)
        np.testing.assert_allclose(atoms.get_forces(), said["forces"], atol=1e-6)
        np.testing.assert_allclose(atoms.get_stress(), said["stress"], atol=1e-7)
        np.testing.assert_allclose(atoms.info["virial"], said["virial"], atol=1e-5)
    assert f"{expected[3]['energy']:.4f}" in asked.stdout


def test_json_is_one_object_a_frame(mlzoo, frames):
    asked = mlzoo("predict", "frames.extxyz", "--json", "--properties", "energy,forces", "--index", "1:4")
    said = [json.loads(line) for line in asked.stdout.splitlines()]
    assert [entry["index"] for entry in said] == [1, 2, 3]
    assert said[0].keys() == {"index", "formula", "n_atoms", "energy", "forces"}
    assert np.shape(said[0]["forces"]) == (8, 3)


def test_a_broken_frame_is_named_and_the_others_are_written(mlzoo, frames):
    frames[1].numbers[0] = 26
    frames[3].positions[2] = np.nan
    write("frames.extxyz", frames)
    lines = Path("frames.extxyz").read_text().splitlines(keepends=True)
    lines[4 * 10 + 3] = "C  1.0  oops  2.0\n"
    Path("frames.extxyz").write_text("".join([*lines, *lines[:4], *lines[:10]]))  # a sixth one cut short, a seventh
    asked = mlzoo("predict", "frames.extxyz", "-o", "out.extxyz")
    assert asked.exit_code == 1
    assert len(read("out.extxyz", ":")) == 3
    assert "3 frames in out.extxyz" in asked.stderr
    assert "error: frame 1: UnsupportedElement: the structure contains Fe" in asked.stderr
    assert "error: frame 3: InvalidStructure: position 2 is [nan, nan, nan]" in asked.stderr
    assert "error: frame 4: ValueError: could not convert string to float: 'oops'" in asked.stderr
    assert "error: frame 5: UnreadableFile: the frame announces 8 atoms and has 2" in asked.stderr
    assert [entry.split()[0] for entry in asked.stdout.splitlines()[1:]] == ["0", "2", "6"]


def test_a_molecule_has_no_stress(mlzoo):
    write("nitrogen.xyz", Atoms("N2", positions=[[0, 0, 0], [0, 0, 1.1]]))
    assert mlzoo("predict", "nitrogen.xyz", "-o", "out.xyz").exit_code == 0
    with pytest.raises(PropertyNotImplementedError):
        read("out.xyz").get_stress()


def test_where_nothing_succeeds_nothing_is_written(mlzoo):
    write("copper.extxyz", bulk("Cu"))
    Path("out.extxyz").write_text("of yesterday")
    assert mlzoo("predict", "copper.extxyz", "-o", "out.extxyz").exit_code == 1
    assert Path("out.extxyz").read_text() == "of yesterday"
    assert sorted(path.name for path in Path().iterdir()) == ["copper.extxyz", "out.extxyz"]


@pytest.mark.parametrize("out", ["frames.extxyz", "link.extxyz"])
def test_the_input_is_never_overwritten(mlzoo, frames, out):
    Path("link.extxyz").symlink_to("frames.extxyz")
    asked = mlzoo("predict", "frames.extxyz", "-o", out)
    assert asked.exit_code == 2
    assert "is the input, which is never overwritten" in asked.stderr
    assert len(read("frames.extxyz", ":")) == 5


@pytest.mark.parametrize(
    ("name", "content"), [("junk.xyz", "hello\n"), ("junk.cif", "hello\n"), ("junk.what", "hello\n"), ("empty.xyz", "")]
)
def test_a_file_without_structures_is_one_line(mlzoo, name, content):
    Path(name).write_text(content)
    asked = mlzoo("predict", name)
    assert asked.exit_code == 2
    assert asked.stderr.startswith(f"error: {name}")
    assert len(asked.stderr.splitlines()) == 1


def test_options_are_checked(mlzoo, frames):
    assert "does not predict 'band_gap'" in mlzoo("predict", "frames.extxyz", "-p", "band_gap").stderr
    assert "neither a number nor a slice" in mlzoo("predict", "frames.extxyz", "--index", "two").stderr
    assert "predict writes extxyz" in mlzoo("predict", "frames.extxyz", "-o", "out.cif").stderr
    assert "holds no structure" in mlzoo("predict", "frames.extxyz", "--index", "9").stderr


class TestConditions:
    @pytest.fixture
    def gaps(self) -> Path:
        """A network that knows of two functionals, with random weights."""
        config = MEGNetConfig(elements=(6, 7), states=("pbe", "hse"), target={"name": "band_gap", "unit": "eV"})
        said = config.model_dump(mode="json")
        torch.manual_seed(0)
        Predictor(MEGNet(config), weights.Manifest("megnet", "mlzoo", "0", "float32", said, {}), "gaps").save("gaps")
        return Path("gaps")

    def test_a_table_by_functional(self, mlzoo, frames, gaps):
        model = library.load(gaps)
        for state in ("pbe", "hse"):
            asked = mlzoo(
                "predict", "frames.extxyz", "--model", gaps, "--condition", f"state={state}", "-o", f"{state}.jsonl"
            )
            assert asked.exit_code == 0
            rows = [json.loads(line) for line in Path(f"{state}.jsonl").read_text().splitlines()]
            assert list(rows[0]) == ["file", "frame", "formula", "atoms", "band_gap", "band_gap_unit", "model", "error"]
            expected = [said["band_gap"] for said in model.predict(frames, state=state)]
            assert [row["band_gap"] for row in rows] == pytest.approx(expected, rel=1e-4, abs=1e-5)
            assert all(row["model"].endswith(f" state={state}") and row["band_gap_unit"] == "eV" for row in rows)
        refused = mlzoo(
            "predict", "frames.extxyz", "--model", gaps, "--condition", "state=hse", "-o", "pbe.jsonl", "--resume"
        )
        assert refused.exit_code == 2
        assert "state=pbe, and these would be of gaps" in refused.stderr
        numbered = mlzoo(
            "predict", "frames.extxyz", "--model", gaps, "--condition", "state=0", "-o", "pbe.jsonl", "--resume"
        )
        assert numbered.exit_code == 0

    def test_a_structure_without_one_says_so_itself(self, mlzoo, frames, gaps):
        frames[1].info["state"] = "pbe"
        write("frames.extxyz", frames[:2])
        asked = mlzoo("predict", "frames.extxyz", "--model", gaps)
        assert asked.exit_code == 1
        assert "error: frame 0: InvalidCondition: this model needs state" in asked.stderr

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ("state=scan", "state='scan' is not known to this model. It knows 'pbe' (0), 'hse' (1)"),
            ("charge=1", "does not know charge=1; it knows state"),
            ("state", "--condition 'state' is not of the form NAME=VALUE"),
        ],
    )
    @pytest.mark.parametrize("command", ["predict", "relax"])
    def test_a_wrong_one_is_told_before_any_work(self, mlzoo, frames, gaps, given, message, command):
        out = "out.csv" if command == "predict" else "out.cif"
        refused = mlzoo(command, "frames.extxyz", "-o", out, "--model", gaps, "--condition", given)
        assert refused.exit_code == 2
        assert message in refused.stderr
        assert not Path(out).exists()
