"""MatGL folders: known by checksum, or by what the user says; refused otherwise."""

import collections
import shutil

import pytest
import torch
from ase.build import bulk

import mlzoo
from mlzoo import matgl_folders
from mlzoo.errors import UnreadableFile
from mlzoo_megnet.readers.sniffs import sniff_matgl

NAME = "MEGNet-MP-2019.4.1-BandGap-mfi"
SALT = bulk("NaCl", "rocksalt", a=5.69)


@pytest.fixture
def folder(shared, tmp_path):
    """A writable copy of a published folder."""
    for file in (shared / "weights/matgl" / NAME).iterdir():
        shutil.copyfile(file, tmp_path / file.name)
    return tmp_path


@pytest.fixture
def retrained(folder):
    """Other numbers in the same shapes: a folder that nobody has published."""
    state = torch.load(folder / "state.pt", weights_only=True, map_location="cpu")
    state["model.embedding.layer_node_embedding.weight"] += 1e-3
    torch.save(collections.OrderedDict(state), folder / "state.pt")
    return folder


def test_a_published_folder_gives_its_old_numbers_without_a_word(folder, caplog):
    model = mlzoo.load(folder, device="cpu", dtype="float64")
    assert model.provenance["convention"] == "legacy"
    assert "MatGL" not in caplog.text
    assert model.predict(SALT, state="pbe") != mlzoo.load(folder, convention="v4", dtype="float64").predict(
        SALT, state="pbe"
    )


def test_both_later_conventions_are_the_same_network(folder):
    found = [mlzoo.load(folder, convention=name, dtype="float64").predict(SALT, state=0) for name in ("v3", "v4")]
    assert found[0] == found[1]


def test_a_folder_of_unknown_convention_is_refused(retrained):
    with pytest.raises(UnreadableFile, match=r"does not say which of MatGL's conventions.*Say which"):
        mlzoo.load(retrained)


def test_a_folder_that_nobody_knows_has_numbered_states_and_is_named_by_the_user(retrained, caplog):
    model = mlzoo.load(retrained, convention="v4", device="cpu")
    assert model.model.conditions[0].labels == ("0", "1", "2", "3")
    assert set(model.predict(SALT, state="3")) == {"value"}
    assert "Name it with target=" in caplog.text
    named = mlzoo.load(retrained, convention="v4", target="band_gap", device="cpu")
    assert named.predicts[0].unit == "eV"
    with pytest.raises(UnreadableFile, match="target='gap' is not known"):
        mlzoo.load(retrained, convention="v4", target="gap")


@pytest.mark.parametrize(("argument", "value"), [("activation_type", "tanh"), ("include_state", False)])
def test_an_option_that_is_not_served_is_refused_by_name(folder, argument, value):
    arguments = dict(matgl_folders.read(folder).arguments)
    torch.save({"init_args": arguments | {argument: value}}, folder / "model.pt")
    with pytest.raises(UnreadableFile, match=f"sets {argument}={value!r}"):
        mlzoo.load(folder)


def test_arguments_of_another_network_are_refused(folder):
    torch.save({"init_args": {"element_types": None, "ntypes_state": 4, "cutoff": 5.0}}, folder / "model.pt")
    with pytest.raises(UnreadableFile, match="lacks the argument"):
        mlzoo.load(folder)


def test_another_matgl_class_is_not_ours(shared):
    assert sniff_matgl(shared / "weights/matgl" / NAME)
    assert not sniff_matgl(shared / "weights/matgl/M3GNet-MP-2018.6.1-Eform")
