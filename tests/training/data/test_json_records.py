"""Labelled structures of pymatgen."""

import gzip
import json

import numpy as np
import pytest
from monty.json import MontyEncoder
from pymatgen.core import Lattice, Molecule, Structure

from mlzoo.errors import UnreadableFile
from mlzoo.training.data import Keys, read, read_dataset

SALT = Structure(Lattice.cubic(4.0), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
FORCES = [[0.0, 0.0, 0.1], [0.0, 0.0, -0.1]]
STRESS = [1.0, 2.0, 3.0, 0.4, 0.5, 0.6]
RECORD = {"structure": SALT.as_dict(), "energy": -7, "forces": FORCES, "stress": STRESS, "band_gap": 5.0}


@pytest.mark.parametrize(
    "content", [[RECORD], RECORD, {"mp-22862": {"mp-22862-0": RECORD}}], ids=["list", "record", "by name"]
)
def test_records_with_labels_beside_the_structure(tmp_path, content):
    path = tmp_path / "data.json"
    path.write_text(json.dumps(content))
    (example,) = read(path, Keys(labels=("band_gap",)))
    assert example.labels["energy"] == -7.0
    assert example.labels["band_gap"] == 5.0
    np.testing.assert_allclose(example.labels["forces"], FORCES)
    np.testing.assert_allclose(example.labels["stress"], STRESS)
    np.testing.assert_allclose(example.structure.positions[1], [2, 2, 2])
    assert example.source == f"{path}:0"


def test_structures_whose_properties_are_labels(tmp_path):
    salt = SALT.copy(properties={"energy": -7.0, "config_type": "rocksalt"})
    salt.add_site_property("forces", FORCES)
    path = tmp_path / "data.json.gz"
    path.write_bytes(gzip.compress(json.dumps([salt], cls=MontyEncoder).encode()))
    (example,) = read(path)
    assert example.group == "rocksalt"
    assert example.labels["energy"] == -7.0
    np.testing.assert_allclose(example.labels["forces"], FORCES)


def test_molecules_arrays_of_numpy_and_one_record_a_line(tmp_path):
    water = Molecule(["O", "H", "H"], [[0, 0, 0], [0, 0.8, 0.6], [0, -0.8, 0.6]], charge=0)
    records = [{"molecule": water, "forces": np.ones((3, 3)), "energy": None}, {"molecule": water, "energy": -14.0}]
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join(json.dumps(record, cls=MontyEncoder) for record in records) + "\n\n")
    first, second = read(path)
    assert set(first.labels) == {"forces"}
    assert second.labels["energy"] == -14.0
    assert not first.structure.pbc.any()


def test_broken_records_are_named_and_may_be_skipped(tmp_path):
    path = tmp_path / "data.json"
    wrong_length = {**RECORD, "forces": FORCES[:1]}
    path.write_text(json.dumps([RECORD, {"structure": "NaCl", "energy": 1.0}, wrong_length, RECORD]))
    with pytest.raises(UnreadableFile, match=r"data.json:1 cannot be read: .*'NaCl', not the dict that pymatgen"):
        list(read(path))
    dataset = read_dataset(path, on_error="skip")
    assert [example.source[-1] for example in dataset.examples] == ["0", "3"]
    assert "forces has shape (1, 3), but the forces on 2 atoms have shape (2, 3)" in dataset.skipped[1]


def test_a_line_that_is_not_json_does_not_take_the_others_with_it(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text(json.dumps(RECORD) + "\n{broken\n" + json.dumps(RECORD) + "\n")
    dataset = read_dataset(path, on_error="skip")
    assert len(dataset.examples) == 2
    assert dataset.skipped == [
        f"frame {path}:1 cannot be read: ValueError: line 2 is not JSON. Correct the record or take it out of the file."
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("[{", "is not JSON"), ('{"energy": [1, 2]}', "holds no structure"), ("[]", "holds no structure")],
)
def test_what_is_no_file_of_structures(tmp_path, text, sentence):
    path = tmp_path / "data.json"
    path.write_text(text)
    with pytest.raises(UnreadableFile, match=sentence):
        list(read(path))
