"""Every example runs as a user runs it, in a folder of its own, and says what it should."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
EMT = {"Ni": 3.487, "Cu": 3.590, "Pt": 3.922, "Au": 4.056, "Cu3Au": 3.707}  # Å, by ase.calculators.emt


def run(name: str, folder: Path) -> str:
    command = [sys.executable, EXAMPLES / name]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "100", "PYTHONUTF8": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_demo_relaxes_compares_and_draws(tmp_path):
    said = run("demo.py", tmp_path)
    assert "m3gnet-emt, MIT License" in said
    assert float(re.search(r"^Converged: cubic again, but for ([\d.]+) Å", said, flags=re.MULTILINE)[1]) < 0.01
    found = re.findall(r"^│ (\w+) +│ +([\d.]+) +│ +([\d.]+) +│ +([+-][\d.]+)%", said, flags=re.MULTILINE)
    assert [name for name, *_ in found] == list(EMT)
    for name, ours, emt, percent in found:
        assert float(emt) == pytest.approx(EMT[name], abs=2e-3)
        assert float(ours) == pytest.approx(EMT[name], rel=3e-3)
        assert float(percent) == pytest.approx((float(ours) / float(emt) - 1) * 100, abs=0.05)
    picture = tmp_path / "demo" / "equation_of_state.png"
    assert str(picture.relative_to(tmp_path)) in said
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert picture.stat().st_size > 10_000


def test_one_and_many_are_predicted(tmp_path):
    first, *each = re.findall(r"^(\w+): (-?[\d.]+) eV", run("01_predict.py", tmp_path), flags=re.MULTILINE)
    assert len(each) == 7
    assert first in each
    assert all(abs(float(energy)) < 0.05 for _, energy in each)  # the zero of energy is the metals at rest


def test_atoms_and_cell_are_relaxed(tmp_path):
    length = re.search(r"a = ([\d.]+) Å", run("02_relax.py", tmp_path))[1]
    assert float(length) == pytest.approx(EMT["Cu3Au"], rel=3e-3)


def test_a_crystal_is_heated_and_stays_solid(tmp_path):
    lines = re.findall(r"(\d+) fs +(\d+) K +(-?[\d.]+) eV", run("03_dynamics.py", tmp_path))
    assert [int(time) for time, *_ in lines] == [0, 40, 80, 120, 160, 200]
    assert float(lines[0][1]) == 0
    assert 300 < float(lines[-1][1]) < 900
    assert all(float(energy) < 0.2 * 108 for *_, energy in lines)  # 3/2 kT at 600 K is 0.08 eV an atom


def test_no_example_is_forgotten():
    tested = Path(__file__).read_text(encoding="utf-8")
    assert all(f'"{script.name}"' in tested for script in EXAMPLES.glob("*.py"))
