"""A foreign file, our layout, and back: the same bits, the original code's numbers, and they verify."""

import json
import shutil

import numpy as np
import pytest
from mace.references import mlip_answers, mlip_structures
from typer.testing import CliRunner

import mlzoo
from mlzoo.cli import app

FILES = {
    "mlip/v01_tiny.zip": {},
    "mlip/v02_charges.zip": {},
    "mlip/v02_gaunt_sc_mp.zip": {},
    "mlip/v02_heads3.zip": {"head": "b"},
    "mace-torch/tiny-scaleshift.model": {},
    "mace-torch/mh-like.model": {"head": "omat_pbe"},
    "mace-torch/omol-like.model": {"charge": 1, "spin": 2},
}


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_predictions_are_the_same_to_the_last_bit(shared, tmp_path, file, dtype):
    original = mlzoo.load(shared / "weights" / file, dtype=dtype, device="cpu")
    with_all_digits = mlzoo.load(shared / "weights" / file, dtype="float64", device="cpu")
    again = mlzoo.load(with_all_digits.save(tmp_path / "weight"), dtype=dtype, device="cpu", verify=True)
    for name in ("water", "ethanol"):
        atoms = mlip_structures(shared)[name]
        expected, found = (model.predict(atoms, **FILES[file]) for model in (original, again))
        assert expected.keys() == found.keys()
        for key, value in expected.items():
            assert np.array_equal(found[key], value), key
    assert again.model.config == original.model.config


@pytest.mark.parametrize("name", ["v01_spice2", "v02_charges"])
def test_converted_weights_carry_the_original_codes_numbers(shared, tmp_path, monkeypatch, name):
    """As they lie beside the file; the published weights' own numbers are not to be had without the weights."""
    checks = []
    for expected in mlip_answers(shared, name):
        if expected["name"] not in ("water", "ethanol"):
            continue
        atoms = mlip_structures(shared)[expected["name"]]
        values = {"energy": expected["energy"], "forces": expected["forces"]}
        conditions = {"charge": float(atoms.info["charge"])} if "partial_charges" in expected else {}
        checks.append(
            {
                "numbers": atoms.numbers.tolist(),
                "positions": atoms.positions.tolist(),
                "cell": atoms.cell.array.tolist(),
                "pbc": atoms.pbc.tolist(),
                "conditions": conditions,
                "values": values,
            }
        )
    origin = {"origin": "mlip, float64", "tolerances": {"float64": 5e-6, "float32": 2e-3}, "checks": checks}
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(shared / f"weights/mlip/{name}.zip", f"{name}.zip")
    (tmp_path / f"{name}.checks.json").write_text(json.dumps(origin))
    done = CliRunner().invoke(app, ["convert", f"./{name}.zip", "-o", "converted"], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    assert json.loads((tmp_path / "converted/checks.json").read_text())["checks"] == checks
    for dtype in ("float64", "float32"):
        verified = CliRunner().invoke(app, ["verify", "./converted", "--dtype", dtype, "--device", "cpu"])
        assert verified.exit_code == 0, verified.output
        assert "forces" in verified.stdout
