"""Settings are checked before anything is read: unknown names, wrong values, what may have been meant."""

import pytest
import yaml
from training.runs import settings

from mlzoo.errors import InvalidTraining
from mlzoo.registry import architecture
from mlzoo.training.beginning import beginning
from mlzoo.training.objective import Objective
from mlzoo.training.settings import TargetSettings, TrainSettings, checked, read_settings
from mlzoo.training.statistics import Head, Statistics


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"optimiser": {}}, r"optimiser is not known\. Did you mean optimizer"),
        ({"optimizer": {"learning_rat": 1}}, r"optimizer\.learning_rat is not known\. Did you mean learning_rate"),
        ({"optimizer": {"learning_rate": -1}}, r"optimizer\.learning_rate: .* \(got -1\)"),
        ({"targets": {}}, "targets"),
        ({"targets": {"energy": {"los": "mae"}}}, r"targets\.energy\.los is not known\. Did you mean loss"),
        ({"data": {}}, r"data: .*train is missing"),
        ({"optimizer": {"optimizer": "schedulefree", "ema": 0.9}}, "averages the weights by itself: leave out ema"),
        ({"optimizer": {"optimizer": "soap", "amsgrad": True}}, "no largest squares can be kept: leave out amsgrad"),
        ({"optimizer": {"optimizer": "soap", "beta": [0.9, 0.8]}}, "square of beta's first below its second"),
        (
            {"optimizer": {"optimizer": "schedulefree"}, "schedule": {"lr_scheduler": "cosine"}},
            "schedulefree needs no schedule: leave out lr_scheduler",
        ),
        ({"targets": {"energy": {"loss": "graded_huber"}}}, r"targets\.energy: graded_huber is for forces"),
        ({"targets": {"forces": {"per_structure": True}}}, r"targets\.forces: per_structure is for energy"),
        ({"targets": {"forces": {"scale": 2}}}, r"targets\.forces: scale is that of the energy"),
        ({"license": "mine"}, "license 'mine' is none of"),
        ({"data": {"train": ["a"], "references": "given"}}, "reference_energies has none"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path, change, said):
    with pytest.raises(InvalidTraining, match=said):
        checked(settings(tmp_path / "a.xyz", tmp_path) | change, "config.yaml")


def test_what_is_no_yaml_and_what_is_none_of_ours(tmp_path):
    (tmp_path / "config.yaml").write_text("a: [1")
    with pytest.raises(InvalidTraining, match="cannot be read as YAML"):
        read_settings(tmp_path / "config.yaml")
    (tmp_path / "config.yaml").write_text("- 1")
    with pytest.raises(InvalidTraining, match="holds no settings"):
        read_settings(tmp_path / "config.yaml")


@pytest.mark.parametrize("name", ["mace", "m3gnet", "megnet"])
def test_settings_to_begin_with_are_settings(name, tmp_path):
    said = checked(yaml.safe_load(beginning(name, tmp_path / "data.xyz")), "beginning")
    assert said.model.architecture == name


@pytest.mark.parametrize(
    ("targets", "said"), [({"energy": {}}, "targets has no such number"), ({"a": {}, "b": {}}, "targets has a, b")]
)
def test_a_model_of_one_number_asks_for_one(targets, said):
    scalars = {name: (0.0, 1.0) for name in targets if name != "energy"}
    known = Statistics((29,), {"default": Head({29: 0.0}, 0.0, 1.0)}, scalars)
    with pytest.raises(InvalidTraining, match=said):
        architecture("megnet").training.complete({}, known)


def test_many_processes_are_settings():
    said = settings("a.xyz", "b", devices=8, num_nodes=4)  # type: ignore[arg-type]
    assert checked(said, "x").num_nodes == 4
    assert TrainSettings.model_json_schema()["properties"]["devices"]


def test_settings_that_are_written_are_read_as_the_same():
    said = settings("a.xyz", "b", optimizer={"optimizer": "schedulefree"})  # type: ignore[arg-type]
    once = checked(said, "x")
    assert (once.optimizer.ema, once.schedule.lr_scheduler) == (None, "constant")
    assert checked(once.model_dump(mode="json"), "x") == once


def test_weights_of_targets_change_on_schedule():
    """The recipe of SPICE2: energy 40, forces 1000, the other way round from epoch 115 on."""
    targets = {
        "energy": TargetSettings(weight=40, schedule=[{"epoch": 115, "weight": 1000}]),
        "forces": TargetSettings(weight=1000, schedule=[{"epoch": 115, "weight": 40}]),
    }
    objective = Objective(targets, {})
    assert [objective.weight("energy", epoch) for epoch in (0, 114, 115, 219)] == [40, 40, 1000, 1000]
    assert [objective.weight("forces", epoch) for epoch in (0, 114, 115, 219)] == [1000, 1000, 40, 40]
