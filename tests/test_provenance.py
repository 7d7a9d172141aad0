"""Files of results say which weight they come from, and how it was run."""

import ase.io
import pytest
from ase.build import bulk
from ase.io.trajectory import Trajectory
from typer.testing import CliRunner

import mlzoo
from mlzoo.cli import app

COMMANDS = {
    "predict": ("predict", "diamond.extxyz", "-o", "out.extxyz"),
    "relax": ("relax", "diamond.extxyz", "-o", "relaxed.extxyz", "--trajectory", "out.extxyz", "--steps", "1"),
    "md": ("md", "diamond.extxyz", "-o", "out.extxyz", "--ensemble", "nve", "--temperature", "300", "--steps", "2"),
}


@pytest.fixture(autouse=True)
def _diamond(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ase.io.write("diamond.extxyz", bulk("C", cubic=True))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_frame_of_an_extxyz_file(command):
    CliRunner().invoke(app, [*COMMANDS[command], "--device", "cpu"], catch_exceptions=False)
    expected = mlzoo.load("mace-xtb-organic", device="cpu").provenance
    for frame in ase.io.read("out.extxyz", index=":"):
        assert frame.info["mlzoo"] == expected
    assert {"model", "source", "sha256", "license", "mlzoo", "device", "dtype", "kernels"} <= expected.keys()


@pytest.mark.parametrize("command", ["relax", "md"])
def test_the_description_of_a_trajectory(command):
    words = [word.replace("out.extxyz", "out.traj") for word in COMMANDS[command]]
    CliRunner().invoke(app, [*words, "--device", "cpu"], catch_exceptions=False)
    assert Trajectory("out.traj").description["mlzoo"]["model"] == "mace-xtb-organic"
