"""Data beyond memory are learned from as if they were not: the same batches, the same weights, bit for bit."""

import random

import pytest
import torch
from ase.io import read, write
from training.runs import labelled, settings

from mlzoo.errors import UnreadableFile
from mlzoo.training.data.shards import write_shards
from mlzoo.training.gathering import gather
from mlzoo.training.prepare import prepare
from mlzoo.training.prepared import OnDemand
from mlzoo.training.run import run
from mlzoo.training.settings import checked


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    frames = read(labelled(folder / "metals.xyz"), ":")
    for atoms in frames[::3]:
        atoms.calc.results.pop("forces")
    write(folder / "metals.xyz", frames)
    write_shards(folder / "metals.xyz", folder / "with-neighbours", cutoff=4.0, size=5)
    write_shards(folder / "metals.xyz", folder / "without", size=12)
    return folder


def ready(data, output):
    said = checked(settings(data, output), "test")
    return prepare(said, gather(said.data, list(said.targets)))


@pytest.mark.parametrize("shards", ["with-neighbours", "without"])
def test_batches_of_shards_are_those_of_the_file(folder, tmp_path, shards):
    ours, theirs = ready(folder / shards, tmp_path), ready(folder / "metals.xyz", tmp_path)
    assert isinstance(ours.train._prepared, OnDemand)
    assert ours.train.edges == theirs.train.edges
    assert ours.config == theirs.config
    for name, tensor in theirs.model.state_dict().items():
        assert torch.equal(ours.model.state_dict()[name], tensor)
    for a, b in ((ours.train, theirs.train), (ours.validation, theirs.validation)):
        one, other = (part.collate([part[index] for index in (2, 0, 1)]) for part in (a, b))
        assert one.sources == other.sources
        for name in ("senders", "receivers", "shifts", "vectors"):
            assert torch.equal(getattr(one.graph.edges, name), getattr(other.graph.edges, name))
        for name, label in one.labels.items():
            assert torch.equal(label.nan_to_num(7), other.labels[name].nan_to_num(7))


def test_workers_and_shards_change_no_bit_also_where_a_run_goes_on(folder, tmp_path):
    def trained(data, output, epochs, workers):
        said = settings(folder / data, tmp_path / output, num_epochs=epochs)
        said["data"] |= {"num_workers": workers}
        return (run(checked(said, "test")).folder / "model.safetensors").read_bytes()

    whole = trained("metals.xyz", "whole", 3, 0)
    assert trained("with-neighbours", "parts", 1, 0) != whole
    assert trained("with-neighbours", "parts", 3, 2) == whole


def test_a_damaged_shard_stops_before_training(folder, tmp_path):
    write_shards(folder / "metals.xyz", tmp_path / "shards", size=5)
    damaged = tmp_path / "shards" / "00001.h5"
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    said = settings(tmp_path / "shards", tmp_path / "run")
    said["data"] |= {"validation_files": [str(folder / "metals.xyz")]}
    random.seed(0)  # beartype looks at an example by lot, and would meet the damage first
    with pytest.raises(UnreadableFile, match=r"00001\.h5 is damaged"):
        run(checked(said, "test"))
    assert not (tmp_path / "run").exists()
