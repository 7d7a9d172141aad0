"""A run is planned without the machines that it is for."""

import numpy as np
import pytest
import yaml
from training.runs import labelled, settings
from typer.testing import CliRunner

from mlzoo.cli import app
from mlzoo.errors import InvalidTraining
from mlzoo.training.gathering import gather
from mlzoo.training.prepare import prepare
from mlzoo.training.run import planned
from mlzoo.training.settings import checked


def test_four_nodes_of_eight_are_planned_anywhere(tmp_path):
    said = settings(labelled(tmp_path / "metals.xyz", 88), tmp_path / "run", devices=8, num_nodes=4, num_epochs=10)
    said["data"] |= {"batch_size": 1, "validation": {"count": 20}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(said))
    shown = CliRunner().invoke(app, ["train", str(tmp_path / "config.yaml"), "--plan"])
    assert shown.exit_code == 0
    for line in ("32: 8 a node on 4", "2 a rank; at most 1 structures", "10, about 20 steps", "68 structures"):
        assert line in shown.stdout  # 68 batches for 32 ranks are two for each
    assert not (tmp_path / "run").exists()


def test_more_ranks_than_batches_are_refused(tmp_path):
    said = settings(labelled(tmp_path / "metals.xyz"), tmp_path / "run", devices=8)
    with pytest.raises(InvalidTraining, match="9 structures make fewer batches than there are ranks, 8"):
        planned(checked(said, "test"))


def test_the_scale_of_the_energy_is_that_of_the_forces_or_given(tmp_path):
    file = labelled(tmp_path / "metals.xyz")
    said = settings(file, tmp_path / "run", data={"train": [str(file)], "validation": {"count": 4, "seed": 1}})
    forces = np.concatenate([example.labels["forces"].ravel() for example in _learned(said)])
    assert _scale(said) == pytest.approx(np.sqrt(np.mean(forces**2)))
    assert _scale(said | {"targets": {"energy": {"scale": 2.5}, "forces": {}}}) == 2.5


def _learned(said):
    return gather(checked(said, "test").data, ["energy", "forces"]).train


def _scale(said):
    asked = checked(said, "test")
    return prepare(asked, gather(asked.data, list(asked.targets))).config.readout.scale


def test_the_plan_tells_weights_by_stage(tmp_path):
    energy = {"weight": 40, "schedule": [{"epoch": 2, "weight": 1000}], "scale": 2.5}
    said = settings(labelled(tmp_path / "metals.xyz"), tmp_path / "run", targets={"energy": energy, "forces": {}})
    assert (
        planned(checked(said, "test"))["weights"]
        == "from epoch 0: energy 40, forces 1; from epoch 2: energy 1000, forces 1"
    )
