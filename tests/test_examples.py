"""Every example runs as a user runs it, in a folder of its own, and says what it should."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
XTB = {  # eV, by tblite 0.8.0 with GFN2-xTB, in the geometries of ase.build.molecule
    "H2O": -137.968,
    "CH4": -113.610,
    "C6H6": -432.083,
    "CH3CN": -236.332,
    "CH3COOH": -393.436,
    "CH3SCH3": -287.652,
    "CH3CH2Cl": -309.610,
}


def run(name: str, folder: Path) -> str:
    command = [sys.executable, EXAMPLES / name]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "100", "PYTHONUTF8": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_demo_relaxes_moves_compares_and_draws(tmp_path):
    said = " ".join(run("demo.py", tmp_path).split())
    assert "mace-xtb-organic, MIT License" in said
    assert " Converged." in said
    kelvin, longest = re.search(r"Mean temperature (\d+) K; the longest bond reached ([\d.]+) times", said).groups()
    assert 200 < float(kelvin) < 400
    assert float(longest) < 1.3
    wrong, size = re.search(r"Forces: mean error (\d+) meV/Å, of (\d+)\.", said).groups()
    assert float(wrong) < 0.2 * float(size)
    theirs, ours = re.search(r"at rest: ([\d.]+) eV by xTB, ([\d.]+) eV by the model", said).groups()
    assert float(ours) == pytest.approx(float(theirs), abs=0.1)
    picture = tmp_path / "demo" / "paracetamol.png"
    assert str(picture.relative_to(tmp_path)) in said
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert picture.stat().st_size > 10_000


def test_one_and_many_are_predicted(tmp_path):
    said = run("01_predict.py", tmp_path)
    assert float(re.search(r"^ethanol: (-[\d.]+) eV, largest force", said)[1]) == pytest.approx(-309.976, abs=0.2)
    found = {name: float(energy) for name, energy in re.findall(r"^(\w+): (-[\d.]+) eV$", said, flags=re.MULTILINE)}
    assert found == pytest.approx(XTB, abs=0.2)
    assert float(re.search(r"^diamond, compressed: stress (-[\d.]+) eV/Å³$", said, flags=re.MULTILINE)[1]) < 0


def test_a_molecule_is_relaxed(tmp_path):
    double, single = re.search(r"C=O ([\d.]+) Å, C-O ([\d.]+) Å", run("02_relax.py", tmp_path)).groups()
    assert float(double) == pytest.approx(1.200, abs=0.01)  # Å, by GFN2-xTB
    assert float(single) == pytest.approx(1.341, abs=0.01)


def test_a_molecule_is_heated_and_stays_whole(tmp_path):
    lines = re.findall(r"(\d+) fs +(\d+) K +(-?[\d.]+) eV", run("03_dynamics.py", tmp_path))
    assert [int(time) for time, *_ in lines] == [0, 40, 80, 120, 160, 200]
    assert float(lines[0][1]) == 0
    assert 100 < float(lines[-1][1]) < 600
    at_rest = float(lines[0][2])
    assert all(-0.05 < float(energy) - at_rest < 2.0 for *_, energy in lines)  # 3/2 kT at 300 K is 0.8 eV for 20 atoms


def test_no_example_is_forgotten():
    tested = Path(__file__).read_text(encoding="utf-8")
    assert all(f'"{script.name}"' in tested for script in EXAMPLES.glob("*.py"))
