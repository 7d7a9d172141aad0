"""Keras files: what they say is followed; what is not served, or not what it says, is refused."""

import json
import shutil
import sys

import h5py
import numpy as np
import pytest
from ase.build import bulk

import mlzoo
from mlzoo.errors import MissingPackage, UnreadableFile, UnsupportedElement

SALT = bulk("NaCl", "rocksalt", a=5.69)


@pytest.fixture
def file(shared, tmp_path):
    """A writable copy of the bulk moduli, alone in a folder with its page."""
    for name in ("log10K.hdf5", "log10K.hdf5.json"):
        shutil.copyfile(shared / "weights/megnet-tf/mp-2018.6.1" / name, tmp_path / name)
    return tmp_path / "log10K.hdf5"


def change_page(file, change):
    page = file.with_name(file.name + ".json")
    said = json.loads(page.read_text())
    change(said)
    page.write_text(json.dumps(said))


def change_network(file, change):
    """Change the model's description; ``change`` gets its layers by name."""
    with h5py.File(file, "r+") as opened:
        said = json.loads(opened.attrs["model_config"])
        layers = {layer["name"]: layer for layer in said["config"]["layers"]}
        change(layers)
        said["config"]["layers"] = list(layers.values())
        opened.attrs["model_config"] = json.dumps(said)


def load(path, **options):
    return mlzoo.load(path, device="cpu", dtype="float64", **options)


def test_a_file_and_the_folder_around_it_are_the_same(file):
    from_file, from_folder = load(file), load(file.parent)
    assert from_file.predict(SALT) == from_folder.predict(SALT)
    assert set(from_file.provenance["sha256"]) == {"log10K.hdf5", "log10K.hdf5.json"}


@pytest.mark.parametrize("element", ["Po", "At", "Rn", "Fr", "Ra"])
def test_an_element_that_was_never_trained_is_refused(file, element):
    with pytest.raises(UnsupportedElement, match=f"contains {element}"):
        load(file).predict(bulk(element, "fcc", a=5.0))


def test_the_formation_energies_never_saw_neon(shared):
    folder = shared / "weights/megnet-tf/mp-2018.6.1"
    assert 10 not in load(folder / "formation_energy.hdf5").model.elements
    assert 10 in load(folder / "band_gap_regression.hdf5").model.elements


def test_a_name_that_nobody_knows_is_asked_for(file, caplog):
    change_page(file, lambda said: said["metadata"].update(name="hardness"))
    assert [(each.name, each.unit) for each in load(file).predicts] == [("value", "")]
    assert "Name it with target=" in caplog.text
    assert load(file, target="band_gap").predicts[0].unit == "eV"


def test_the_first_spelling_of_the_page_is_read(file):
    expected = load(file).predict(SALT)

    def respell(said):
        graph = said["graph_convertor"] = said.pop("graph_converter")
        for name in ("atom", "bond"):
            graph[f"{name}_convertor"] = graph.pop(f"{name}_converter")

    change_page(file, respell)
    assert load(file).predict(SALT) == expected


def test_a_scaled_target_comes_back_in_its_unit(file):
    (raw,) = load(file).predict(SALT).values()
    scaler = {"@class": "StandardScaler", "mean": 2.0, "std": 0.5, "is_intensive": True}
    change_page(file, lambda said: said.update(target_scaler=scaler))
    assert load(file).predict(SALT)["log10_bulk_modulus"] == pytest.approx(0.5 * raw + 2, rel=1e-14)


def test_a_classifier_gives_a_probability(file):
    (raw,) = load(file).predict(SALT).values()
    change_page(file, lambda said: said["metadata"].update(name="Band gap classifier"))
    change_network(file, lambda layers: layers["dense_21"]["config"].update(activation="sigmoid"))
    model = load(file)
    assert (model.predicts[0].name, model.predicts[0].unit) == ("has_band_gap", "probability")
    assert model.predict(SALT)["has_band_gap"] == pytest.approx(1 / (1 + np.exp(-raw)), rel=1e-14)


def test_embedded_states_are_states_to_choose_from(shared, tmp_path):
    """As in the multi-fidelity files; the state of zeros is that of a file without any."""
    for name in ("efermi.hdf5", "efermi.hdf5.json"):
        shutil.copyfile(shared / "weights/megnet-tf/mp-2019.4.1" / name, tmp_path / name)
    file = tmp_path / "efermi.hdf5"
    expected = load(file).predict(SALT)

    def embed(layers):
        layers["embedding_2"] = {**layers["embedding_1"], "name": "embedding_2"}
        layers["embedding_2"]["inbound_nodes"] = [[["input_3", 0, 0, {}]]]
        layers["dense_5"]["inbound_nodes"] = [[["embedding_2", 0, 0, {}]]]

    change_network(file, embed)
    with h5py.File(file, "r+") as opened:
        group = opened["model_weights"].create_group("embedding_2")
        group.attrs["weight_names"] = [b"embedding_2/embeddings:0"]
        group["embedding_2/embeddings:0"] = np.array([[1, 2], [0, 0], [3, 4]], np.float32)
    model = load(file)
    assert model.model.conditions[0].labels == ("0", "1", "2")
    assert model.predict(SALT, state=1) == expected != model.predict(SALT, state="0")


def test_layers_that_matter_only_in_training_are_passed_over(file):
    expected = load(file).predict(SALT)

    def drop(layers):
        layers["dropout_1"] = {"name": "dropout_1", "class_name": "Dropout", "config": {"rate": 0.5}}
        layers["dropout_1"]["inbound_nodes"] = layers["dense_20"]["inbound_nodes"]
        layers["dense_20"]["inbound_nodes"] = [[["dropout_1", 0, 0, {}]]]

    change_network(file, drop)
    assert load(file).predict(SALT) == expected


@pytest.mark.parametrize(
    ("layer", "setting", "value"),
    [
        ("dense_7", "activation", "relu"),
        ("dense_21", "activation", "tanh"),
        ("meg_net_layer_2", "pool_method", "sum"),
        ("set2_set_1", "activation_lstm", "relu"),
        ("set2_set_1", "recurrent_activation", "relu"),
    ],
)
def test_settings_that_are_not_served_are_refused(file, layer, setting, value):
    change_network(file, lambda layers: layers[layer]["config"].update({setting: value}))
    with pytest.raises(UnreadableFile, match=value):
        load(file)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda said: said["graph_converter"].update({"@class": "MolecularGraph"}), "MolecularGraph"),
        (lambda said: said["graph_converter"]["atom_converter"].update({"@class": "EmbeddingMap"}), "EmbeddingMap"),
        (lambda said: said["graph_converter"].update(nn_strategy={"@class": "CrystalNN"}), "CrystalNN"),
        (lambda said: said["graph_converter"]["bond_converter"]["centers"]["data"].reverse(), "equidistant"),
        (lambda said: said.update(target_scaler={"@class": "StandardScaler", "is_intensive": False}), "scaled by"),
        (lambda said: said["graph_converter"].pop("cutoff"), "cutoff"),
    ],
)
def test_graphs_and_targets_that_are_not_served_are_refused(file, change, why):
    change_page(file, change)
    with pytest.raises(UnreadableFile, match=why):
        load(file)


@pytest.mark.parametrize("keep", [8, 1000, 100_000])
def test_a_truncated_file_is_refused(file, keep):
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(UnreadableFile, match=r"Fetch it again"):
        load(file)


def test_a_file_without_its_page_is_in_no_format(file):
    file.with_name(file.name + ".json").unlink()
    with pytest.raises(UnreadableFile, match="in no format"):
        load(file)


def test_another_keras_model_is_told_from_a_megnet(file):
    def rewire(layers):
        layers["dense_20"]["inbound_nodes"] = [[["dense_2", 0, 0, {}]]]

    change_network(file, rewire)
    with pytest.raises(UnreadableFile, match="where a MEGNet has a Concatenate"):
        load(file)


def test_arrays_in_another_file_are_refused(file, tmp_path):
    """An HDF5 dataset may lie in any file of the reader's machine."""
    with h5py.File(file, "r+") as opened:
        group = opened["model_weights/dense_1"]
        del group["dense_1/bias:0"]
        (tmp_path / "secret").write_bytes(bytes(256))
        group.create_dataset("dense_1/bias:0", (64,), "f4", external=[(str(tmp_path / "secret"), 0, 256)])
    with pytest.raises(UnreadableFile, match="another file"):
        load(file)


def test_without_h5py_the_next_step_is_said(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingPackage, match=r"pip install mlzoo\[convert\]"):
        load(file)
