"""`mlzoo md`: the physics of each ensemble, and runs that end early."""

import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.io import read, write

import mlzoo as library


def run_md(mlzoo, diamond, out, ensemble, steps, *more):
    return mlzoo("md", diamond, "-o", out, "--ensemble", ensemble, "--steps", steps, "--seed", 1, *more)


def total_energies(name):
    return [atoms.get_potential_energy() + atoms.get_kinetic_energy() for atoms in read(name, ":")]


class TestEnsembles:
    def test_nve_conserves_energy_and_stays_in_place(self, mlzoo, diamond):
        asked = run_md(mlzoo, diamond, "run.traj", "nve", 60, "--timestep", 1)
        assert asked.exit_code == 0
        frames = read("run.traj", ":")
        assert [atoms.info["md_step"] for atoms in frames] == list(range(0, 61, 10))
        potential = np.ptp([atoms.get_potential_energy() for atoms in frames])
        assert np.ptp(total_energies("run.traj")) < 0.02 * potential
        np.testing.assert_allclose(frames[-1].get_momenta().sum(axis=0), 0, atol=1e-3)

    def test_nvt_has_its_temperature(self, mlzoo, diamond):
        assert (
            run_md(
                mlzoo, diamond, "run.traj", "nvt", 100, "--timestep", 2, "--friction", "0.1", "--interval", 4
            ).exit_code
            == 0
        )
        temperatures = [atoms.get_temperature() for atoms in read("run.traj", "8:")]
        assert np.mean(temperatures) == pytest.approx(300, rel=0.2)

    def test_npt_changes_the_volume_and_nothing_else_of_the_cell(self, mlzoo, diamond):
        assert run_md(mlzoo, diamond, "run.traj", "npt", 30, "--pressure", "5").exit_code == 0
        first, last = read("run.traj", 0), read("run.traj", -1)
        assert first.get_volume() != pytest.approx(last.get_volume(), rel=1e-6)
        np.testing.assert_allclose(first.cell.cellpar()[3:], last.cell.cellpar()[3:], atol=1e-9)

    def test_momenta_of_the_file_are_kept(self, mlzoo, diamond):
        atoms = read(diamond)
        atoms.set_momenta(np.random.default_rng(0).normal(size=(16, 3)))
        write("moving.traj", atoms)
        assert run_md(mlzoo, "moving.traj", "run.traj", "nve", 0).exit_code == 0
        begun = read("run.traj").get_momenta()
        np.testing.assert_allclose(begun, atoms.get_momenta() - atoms.get_momenta().mean(axis=0), atol=1e-12)


class TestRestart:
    @pytest.mark.parametrize("ensemble", ["nve", "nvt", "npt"])
    def test_it_repeats_the_uninterrupted_run(self, mlzoo, diamond, ensemble):
        run_md(mlzoo, diamond, "whole.traj", ensemble, 20, "--interval", 5)
        run_md(mlzoo, diamond, "parts.traj", ensemble, 10, "--interval", 5)
        asked = run_md(mlzoo, diamond, "parts.traj", ensemble, 20, "--interval", 5, "--restart")
        assert "going on from step 10" in asked.stderr
        whole, parts = read("whole.traj", ":"), read("parts.traj", ":")
        assert [atoms.info["md_step"] for atoms in parts] == [0, 5, 10, 15, 20]
        for one, other in zip(whole, parts, strict=True):
            np.testing.assert_allclose(one.positions, other.positions, rtol=0, atol=1e-8)
            np.testing.assert_allclose(one.cell.array, other.cell.array, rtol=0, atol=1e-8)

    @pytest.mark.parametrize("name", ["run.traj", "run.extxyz"])
    @pytest.mark.parametrize("lost", [1, 2000])
    def test_a_last_frame_cut_short_is_run_again(self, mlzoo, diamond, name, lost):
        run_md(mlzoo, diamond, name, "nve", 6, "--interval", 2)
        whole = read(name, ":")
        with Path(name).open("r+b") as file:
            file.truncate(Path(name).stat().st_size - lost)
        asked = run_md(mlzoo, diamond, name, "nve", 8, "--interval", 2, "--restart")
        assert asked.exit_code == 0
        assert "is cut short" in asked.stderr
        frames = read(name, ":")
        assert [atoms.info["md_step"] for atoms in frames] == [0, 2, 4, 6, 8]
        for one, other in zip(whole, frames, strict=False):
            np.testing.assert_allclose(one.positions, other.positions, rtol=0, atol=1e-7)

    def test_a_table_of_frames_cut_off_is_made_again(self, mlzoo, diamond):
        """ASE writes the table of a .traj behind its second frame."""
        run_md(mlzoo, diamond, "run.traj", "nve", 1)
        with Path("run.traj").open("r+b") as file:
            file.truncate(Path("run.traj").stat().st_size - 500)
        assert run_md(mlzoo, diamond, "run.traj", "nve", 43, "--interval", 1, "--restart").exit_code == 0
        assert [atoms.info["md_step"] for atoms in read("run.traj", ":")] == list(range(44))

    def test_a_trajectory_is_not_deleted_unasked(self, mlzoo, diamond):
        run_md(mlzoo, diamond, "run.traj", "nve", 2)
        asked = run_md(mlzoo, diamond, "run.traj", "nve", 2)
        assert asked.exit_code == 2
        assert "--restart continues it, --overwrite starts anew" in asked.stderr
        assert run_md(mlzoo, diamond, "run.traj", "nve", 0, "--overwrite").exit_code == 0
        assert len(read("run.traj", ":")) == 1

    def test_finished_is_finished(self, mlzoo, diamond):
        run_md(mlzoo, diamond, "run.traj", "nve", 2)
        assert "nothing to do" in run_md(mlzoo, diamond, "run.traj", "nve", 2, "--restart").stderr


def test_ctrl_c_leaves_a_trajectory_to_go_on_from(diamond):
    words = ["md", "diamond.extxyz", "-o", "run.traj", "--ensemble", "nvt", "--steps", "100000", "--interval", "1"]
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs do not listen to it
    command = [sys.executable, "-m", "mlzoo", *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heard) as run:
        while run.poll() is None and not (Path("run.traj").exists() and Path("run.traj").stat().st_size > 0):
            time.sleep(0.1)
        run.send_signal(signal.SIGINT)
        try:
            _, said = run.communicate(timeout=30)
        finally:
            run.kill()
    assert run.returncode == 130
    assert (
        said.splitlines()[-1] == "interrupted. The same command with --restart goes on from the last frame of run.traj."
    )
    frames = read("run.traj", ":")
    assert [atoms.info["md_step"] for atoms in frames] == list(range(len(frames)))


class TestBlowingUp:
    def test_of_the_model_is_told_with_the_step(self, mlzoo, diamond):
        model = library.load("mace-xtb-organic")
        folder = model.save("broken")
        for parameter in model.model.parameters():
            torch.nn.init.constant_(parameter, torch.nan)
        from safetensors.torch import save_file

        save_file(
            {name: value.contiguous() for name, value in model.model.state_dict().items()}, folder / "model.safetensors"
        )
        asked = run_md(mlzoo, diamond, "run.traj", "nve", 5, "--model", folder)
        assert asked.exit_code == 1
        assert "error: the numbers are not finite at step 0" in asked.stderr

    @pytest.mark.filterwarnings("ignore:overflow")
    def test_of_the_steps_leaves_the_frames_before(self, mlzoo, diamond):
        asked = run_md(mlzoo, diamond, "run.traj", "nve", 5, "--timestep", "1e200", "--interval", "1")
        assert asked.exit_code == 1
        assert "step 1" in asked.stderr
        assert np.isfinite(read("run.traj", ":")[-1].positions).all()


def test_npt_needs_a_cell(mlzoo):
    write("dimer.xyz", Atoms("N2", positions=[[0, 0, 0], [0, 0, 1.1]]))
    asked = mlzoo("md", "dimer.xyz", "-o", "run.traj", "--ensemble", "npt", "--steps", 5, "--model", "never/loaded")
    assert asked.exit_code == 2
    assert "--ensemble npt needs a periodic structure whose cell has a volume" in asked.stderr
