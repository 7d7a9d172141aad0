"""A run may begin with the weights of another model, as far as they fit."""

import logging

import numpy as np
import pytest
from ase.build import bulk
from ase.io import read, write
from pydantic import ValidationError
from training.runs import labelled, rows, settings, tensors, trained

import mlzoo
from mlzoo.errors import InvalidTraining
from mlzoo.training.settings import checked

STILL = {"num_epochs": 1, "optimizer": {"learning_rate": 1e-30, "ema": None}}
MEGNET = {"cutoff": 4.0, "blocks": 1, "gaussians": {"count": 8}, "encoder": [8, 8], "update": [8, 8]}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return labelled(tmp_path_factory.mktemp("data") / "metals.xyz")


@pytest.fixture(scope="module")
def first(file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("first") / "run"
    trained(settings(file, folder))
    return folder


def begun(first, **config):
    return {"architecture": "m3gnet", "start_from": str(first / "model"), "config": config}


def test_it_begins_where_the_other_ended_with_its_energies_of_the_elements(file, first, tmp_path):
    trained(settings(file, tmp_path / "run", model=begun(first), **STILL))
    assert tensors(tmp_path / "run") == tensors(first)
    assert mlzoo.load(tmp_path / "run" / "model").provenance["trained"]["settings"]["model"]["start_from"]


def test_going_on_learns_more_and_a_stopped_run_goes_on(file, first, tmp_path):
    for epochs in (2, 6):
        trained(settings(file, tmp_path / "run", model=begun(first), num_epochs=epochs))
    assert len(rows(tmp_path / "run")) == 6
    assert rows(tmp_path / "run")[-1]["loss"] < min(row["loss"] for row in rows(first))


def test_what_does_not_fit_begins_by_lot_and_is_told(file, first, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "mlzoo"):
        trained(settings(file, tmp_path / "run", model=begun(first, edge_width=6), **STILL))
    (told,) = [record.getMessage() for record in caplog.records if "begin by lot" in record.getMessage()]
    kept, before = (mlzoo.load(folder / "model").model.state_dict() for folder in (tmp_path / "run", first))
    same = {name for name in kept if kept[name].shape == before[name].shape}
    assert 0 < len(same) < len(kept)
    assert all((kept[name] == before[name]).all() for name in same)
    assert all(name in told for name in set(kept) - same)


def test_a_property_keeps_the_network_and_has_a_scale_of_its_own(file, tmp_path):
    frames = read(file, ":")
    for number, atoms in enumerate(frames):
        atoms.info |= {"first": float(number), "second": 100.0 + 5 * number}
    write(tmp_path / "two.xyz", frames)
    said = {"dtype": "float32", "data": {"train": [str(tmp_path / "two.xyz")], "validation": {"fraction": 0.25}}}
    model = {"architecture": "megnet", "config": MEGNET}
    trained(settings(file, tmp_path / "one", model=model, targets={"first": {}}, **said))
    model = {"architecture": "megnet", "start_from": str(tmp_path / "one" / "model")}
    trained(settings(file, tmp_path / "two", model=model, targets={"second": {}}, **said, **STILL))
    one, two = (mlzoo.load(tmp_path / name / "model") for name in ("one", "two"))
    scales = [each.model.config.target for each in (one, two)]
    for atoms in frames[:3]:
        outputs = [
            (each.predict(atoms)[scale.name] - scale.mean) / scale.std
            for each, scale in zip((one, two), scales, strict=True)
        ]
        np.testing.assert_allclose(*outputs, atol=1e-5)
    assert abs(scales[1].mean - 100 - 5 * scales[0].mean) < 1e-3


def test_another_kind_of_network_and_unknown_elements_are_refused(file, first, tmp_path):
    model = begun(first) | {"architecture": "mace"}
    with pytest.raises(InvalidTraining, match=r"is a m3gnet, and model\.architecture is mace"):
        trained(settings(file, tmp_path / "run", model=model))
    atoms = bulk("Ag")
    atoms.info["REF_energy"] = 1.0
    write(tmp_path / "silver.xyz", [atoms, bulk("Cu")] * 4)
    with pytest.raises(InvalidTraining, match="does not know Ag"):
        trained(settings(tmp_path / "silver.xyz", tmp_path / "run", model=begun(first), targets={"energy": {}}))


def test_energies_of_the_elements_are_those_of_the_start():
    said = settings("x.xyz", "run", model={"architecture": "m3gnet", "start_from": "m3gnet-mp-2021.2.8-pes"})
    said["data"]["references"] = "isolated"
    with pytest.raises((InvalidTraining, ValidationError), match=r"leave out data\.heads and data\.references"):
        checked(said, "test")
