"""What of mace-torch is recognised and not read: the error says why, and what to do instead."""

import json
import zipfile

import pytest
import torch
from safetensors.torch import save_file

import mlzoo
from mlzoo.errors import UnreadableFile


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("PolarMACE", r"multipoles of the atoms and their field.*`mace_polar`.*`mace-omol-0-extra-large`"),
        ("MACELES", r"latent charges and their Ewald sum.*with the package `les`"),
    ],
)
def test_a_network_with_a_long_range_is_refused_before_its_pickle_is_read(kind, sentence, tmp_path):
    """Its pickle also names classes of other packages, as `graph_longrange`, which are in no list of ours."""
    path = tmp_path / "long-range.model"
    begins = f"\x80\x02cmace.modules.extensions\n{kind}\n)\x81cgraph_longrange.energy\nGTOElectrostaticEnergy\n".encode(
        "latin1"
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", begins)
    with pytest.raises(UnreadableFile, match=rf"long-range\.model is a model of the class {kind}, .*{sentence}"):
        mlzoo.load(path)


@pytest.fixture
def pair(tmp_path):
    """The two files as a draft of mace-torch 1 writes them."""
    save_file({"readouts.0::weight": torch.ones(2)}, tmp_path / "water.safetensors")
    entry = {"module": "readouts.0", "name": "weight", "shape": [2], "dtype": "float32"}
    page = {"config": {}, "format": "mace-v1-checkpoint", "tensors": [entry], "version": 1}
    (tmp_path / "water.json").write_text(json.dumps(page, indent=2))
    return tmp_path


@pytest.mark.parametrize("name", ["", "water.json", "water.safetensors"])
def test_the_coming_format_is_told_by_name(pair, name):
    with pytest.raises(UnreadableFile, match=r"neutral format of mace-torch 1 .* Load the \.model file"):
        mlzoo.load(pair / name)


def test_other_pairs_of_json_and_safetensors_are_not_taken_for_it(pair):
    (pair / "water.json").write_text('{"format": "pt"}')
    with pytest.raises(UnreadableFile, match="in no format that an installed plugin reads"):
        mlzoo.load(pair)
