"""`mlzoo.load`: what it finds, what it refuses, and what it says then."""

import shutil
from pathlib import Path

import pytest
import torch

import mlzoo
from mlzoo.errors import PluginError, UnknownModel, UnreadableFile, UnsupportedDevice


@pytest.fixture
def folder(tmp_path):
    """A writable copy of the embedded weight."""
    return shutil.copytree(Path(mlzoo.__file__).parent / "embedded" / "mace-xtb-organic", tmp_path / "weight")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("mace-xtb-organics", "no model is called 'mace-xtb-organics'. Did you mean mace-xtb-organic"),
        ("M3GNET", "no model is called 'M3GNET'. Did you mean m3gnet-"),
        ("m3gnet-mp-2021", "Did you mean m3gnet-mp-2021.2.8-pes or "),
        ("no/such/folder", "there is no file or folder no/such/folder. Check the path"),
        ("weights.pt", "there is no file or folder weights.pt. Check the path"),
    ],
)
def test_an_unknown_name_offers_the_nearest(name, sentence):
    with pytest.raises(UnknownModel) as refusal:
        mlzoo.load(name)
    assert sentence in str(refusal.value)


def spoil_tensors(folder):
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-100])


def spoil_config(folder):
    (folder / "config.json").write_text("{")


def unfamiliar(folder):
    (folder / "config.json").rename(folder / "settings.json")


def other_config(folder):
    (folder / "config.json").write_text('{"model_type": "bert"}')


def too_new(folder):
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace('"layout": 1', '"layout": 2'))


def refused_value(folder):
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace('"max_l": 2', '"max_l": -1'))


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (spoil_tensors, r"is not a whole mlzoo weight \(.*\). Fetch or convert it again"),
        (spoil_config, r"config.json is not JSON \(.*\). Fetch it again"),
        (unfamiliar, r"is in no format that an installed plugin reads \(mlzoo's own, m3gnet:matgl, m3gnet:m3gnet-tf, "),
        (other_config, r"config.json is not the config of an mlzoo weight"),
        (too_new, r"has layout 2, this mlzoo reads up to 1. Update mlzoo"),
        (refused_value, r"(?s)config.json is no mace config: .*max_l"),
    ],
)
def test_an_unreadable_file_says_what_is_wrong_with_it(folder, spoil, sentence):
    spoil(folder)
    with pytest.raises(UnreadableFile, match=sentence):
        mlzoo.load(folder)


def test_a_weight_of_an_architecture_that_nobody_brings(folder):
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace('"architecture": "mace"', '"architecture": "m4ce"'))
    with pytest.raises(
        PluginError, match=r"no installed plugin brings the architecture 'm4ce' \(installed: m3gnet, mace, megnet\)"
    ):
        mlzoo.load(folder)


def test_options_that_the_format_does_not_have_are_refused(folder):
    with pytest.raises(UnreadableFile, match="own layout, which takes no options: leave out convention"):
        mlzoo.load(folder, convention="v4")


@pytest.mark.parametrize("dtype", ["float16", torch.bfloat16, "double"])
def test_a_dtype_that_is_not_served_is_refused(dtype):
    with pytest.raises(UnreadableFile, match=r"is not served\. Use one of float32, float64"):
        mlzoo.load("mace-xtb-organic", dtype=dtype)


@pytest.mark.parametrize("device", ["mps", "gpu", *([] if torch.cuda.is_available() else ["cuda"])])
def test_a_device_that_is_absent_or_has_no_float64_is_refused(device):
    with pytest.raises(UnsupportedDevice, match=device):
        mlzoo.load("mace-xtb-organic", device=device)


def test_dtype_and_gradients_are_as_asked():
    assert next(mlzoo.load("mace-xtb-organic").model.parameters()).dtype == torch.float32
    double = mlzoo.load("mace-xtb-organic", dtype=torch.float64).model
    assert {parameter.dtype for parameter in double.parameters()} == {torch.float64}
    assert not any(parameter.requires_grad for parameter in double.parameters())
    trainable = mlzoo.load("mace-xtb-organic", trainable=True)
    assert all(parameter.requires_grad for parameter in trainable.model.parameters())
    assert trainable.provenance["kernels"] == "plain"


def test_pytorchs_defaults_are_left_alone():
    before = (torch.get_default_dtype(), torch.get_num_threads(), torch.backends.cuda.matmul.allow_tf32)
    mlzoo.load("mace-xtb-organic", dtype="float64")
    assert before == (torch.get_default_dtype(), torch.get_num_threads(), torch.backends.cuda.matmul.allow_tf32)


def test_a_condition_where_a_file_is_loaded_is_told_where_it_belongs(shared):
    with pytest.raises(UnreadableFile, match=r"no option 'head'.* Say head='dft2' to calculator\(\) or predict\(\)"):
        mlzoo.calculator(shared / "weights/mace-torch/multihead-like.model", head="dft2")
