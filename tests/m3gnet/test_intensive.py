"""Properties of a whole structure: MatGL's numbers for each readout, from folders that MatGL wrote; and what is refused."""

import base64
import json
import logging
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk

import mlzoo
from mlzoo.errors import UnreadableFile
from mlzoo.graph import graph_from_structure
from mlzoo_m3gnet import build
from mlzoo_m3gnet.config import M3GNetConfig, MeanReadout, Set2SetReadout, WeightedMeanReadout

REFERENCE = json.loads((Path(__file__).parents[1] / "reference/m3gnet_intensive.json").read_text())
EFORM = "M3GNet-MP-2018.6.1-Eform"
READOUTS = [Set2SetReadout, WeightedMeanReadout, MeanReadout]

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture
def folder_of(tmp_path):
    """The folder that MatGL saved, by the name of the network."""

    def written(network):
        for name, content in REFERENCE["networks"][network]["folder"].items():
            (tmp_path / name).write_bytes(zlib.decompress(base64.b64decode(content)))
        return tmp_path

    return written


def structures():
    return {
        name: Atoms(s["numbers"], positions=s["positions"], cell=s["cell"], pbc=True)
        for name, s in REFERENCE["structures"].items()
    }


@pytest.mark.parametrize("network", REFERENCE["networks"])
def test_matgls_values(folder_of, network):
    target = "has_band_gap" if "classification" in network else "fermi_energy"
    model = mlzoo.load(folder_of(network), convention="v4", target=target, dtype="float64", device="cpu")
    for name, atoms in structures().items():
        expected = REFERENCE["networks"][network]["values"][name]
        assert model.predict(atoms)[target] == pytest.approx(expected, abs=1e-10), name


@pytest.mark.parametrize("network", REFERENCE["networks"])
def test_kernels_give_the_same_values(folder_of, network):
    model = mlzoo.load(folder_of(network), convention="v4", device="cpu", dtype="float32")
    assert model.provenance["kernels"] == "numba"
    for name, atoms in structures().items():
        expected = REFERENCE["networks"][network]["values"][name]
        assert model.predict(atoms)["value"] == pytest.approx(expected, abs=1e-5), name


class TestNames:
    def test_a_published_weight_is_known(self, shared):
        (outputs,) = mlzoo.load(shared / "weights/matgl" / EFORM, device="cpu").model.outputs
        assert (outputs.name, outputs.unit) == ("formation_energy_per_atom", "eV/atom")

    def test_a_repository_in_the_hub_cache_is_known(self, folder_of, tmp_path):
        cached = tmp_path / "models--materialyze--M3GNet-Eform-MP-2019.4.1" / "snapshots" / "0123abcd"
        cached.mkdir(parents=True)
        folder = folder_of("weighted_atom regression")
        for name in ("model.json", "model.pt", "state.pt"):
            shutil.copyfile(folder / name, cached / name)
        (outputs,) = mlzoo.load(cached, convention="v4", device="cpu").model.outputs
        assert (outputs.name, outputs.unit) == ("formation_energy_per_atom", "eV/atom")

    def test_what_nobody_knows_is_a_value_and_says_how_to_name_it(self, folder_of, caplog):
        logging.getLogger("mlzoo").setLevel(logging.NOTSET)
        model = mlzoo.load(folder_of("weighted_atom regression"), convention="v4", device="cpu")
        (outputs,) = model.model.outputs
        assert (outputs.name, outputs.unit) == ("value", "")
        assert "it is called 'value' and has no unit. Name it with target=" in caplog.text

    def test_a_classification_is_a_probability(self, folder_of):
        model = mlzoo.load(folder_of("set2set classification"), convention="v4", device="cpu")
        (outputs,) = model.model.outputs
        assert (outputs.name, outputs.unit) == ("value", "probability")

    @pytest.mark.parametrize(
        ("network", "target", "reason"),
        [
            ("set2set classification", "band_gap", "predicts a probability, and target='band_gap' is an amount"),
            ("reduce_atom regression", "has_band_gap", "an amount, and target='has_band_gap' is a probability"),
            (
                "reduce_atom regression",
                "colour",
                "target='colour' is not known. It is one of formation_energy_per_atom",
            ),
        ],
    )
    def test_a_name_of_something_else_is_refused(self, folder_of, network, target, reason):
        with pytest.raises(UnreadableFile, match=reason):
            mlzoo.load(folder_of(network), convention="v4", target=target)

    def test_an_energy_is_not_given_another_name(self, shared):
        with pytest.raises(UnreadableFile, match="predicts an energy: leave out target='band_gap'"):
            mlzoo.load(shared / "weights/matgl/M3GNet-r2SCAN-NaBH", target="band_gap")


class TestRefusals:
    @pytest.mark.parametrize("convention", ["legacy", "dstfix"])
    def test_the_sum_that_had_the_name_of_the_weighted_mean(self, folder_of, convention):
        with pytest.raises(UnreadableFile, match=r"readout_type='weighted_atom' .* which grows with the cell"):
            mlzoo.load(folder_of("weighted_atom regression"), convention=convention)

    def test_that_sum_is_known_by_its_tensors_too(self, folder_of):
        folder = folder_of("weighted_atom regression")
        state = torch.load(folder / "state.pt", weights_only=True)
        torch.save(
            {name.replace("readout.weight.layers", "readout.weight"): each for name, each in state.items()},
            folder / "state.pt",
        )
        with pytest.raises(UnreadableFile, match="which grows with the cell"):
            mlzoo.load(folder, convention="v4")

    def test_the_plain_mean_was_the_same_in_every_matgl(self, folder_of):
        assert mlzoo.load(folder_of("reduce_atom regression"), convention="dstfix", device="cpu")

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"field": "edge_feat"}, "sets field='edge_feat'"),
            ({"readout_type": "attention"}, "readout_type='attention', which is not supported"),
            ({"units": 7}, "the tensors do not fit the config"),
            ({"units": 0}, "is no M3GNet as we know it"),
            ({"max_n": None}, "is no M3GNet as we know it"),
        ],
    )
    def test_an_argument_that_is_not_served(self, folder_of, change, reason):
        folder = folder_of("reduce_atom regression")
        arguments = torch.load(folder / "model.pt", weights_only=True)
        torch.save(arguments | change, folder / "model.pt")
        with pytest.raises(UnreadableFile, match=reason):
            mlzoo.load(folder, convention="v4")

    def test_a_folder_that_lacks_an_argument(self, folder_of):
        folder = folder_of("reduce_atom regression")
        arguments = torch.load(folder / "model.pt", weights_only=True)
        torch.save({key: value for key, value in arguments.items() if key != "cutoff"}, folder / "model.pt")
        with pytest.raises(UnreadableFile, match="lacks the argument 'cutoff'"):
            mlzoo.load(folder, convention="v4")

    def test_a_tensor_that_has_no_place(self, folder_of):
        folder = folder_of("reduce_atom regression")
        state = torch.load(folder / "state.pt", weights_only=True)
        torch.save({**state, "repulsion.exponents": torch.ones(2)}, folder / "state.pt")
        with pytest.raises(UnreadableFile, match=r"has the parameter repulsion\.exponents"):
            mlzoo.load(folder, convention="v4")


class TestReadouts:
    SMALL = M3GNetConfig(elements=(11, 17), node_width=6, edge_width=5, hidden_width=7, blocks=1)

    @pytest.fixture(params=READOUTS)
    def model(self, request):
        torch.manual_seed(0)
        return build(self.SMALL.model_copy(update={"readout": request.param()})).double()

    def test_an_atom_alone_has_a_value(self, model):
        """It has no edges, but the features of its element."""
        sodium, chlorine = (
            model(graph_from_structure(Atoms(symbol), model.cutoff))["value"] for symbol in ("Na", "Cl")
        )
        assert sodium.isfinite().all()
        assert sodium != chlorine

    @pytest.mark.parametrize("size", [-1e4, 1e4])
    def test_features_however_large_give_a_number(self, model, size):
        """Weights that all round to zero or to one still have a mean."""
        model = model.float()
        with torch.no_grad():
            model.representation.node_embedding.weight.fill_(size)
        value = model(graph_from_structure(bulk("Na"), model.cutoff).to("cpu", torch.float32))["value"]
        assert value.isfinite().all()

    def test_the_names_of_its_tensors_are_those_of_older_weights(self):
        names = build(self.SMALL.model_copy(update={"readout": Set2SetReadout(layers=1)})).state_dict()
        assert {"set2set.lstm.weight_ih_l0", "readout.0.weight"} < names.keys()


def test_the_reference_says_where_it_comes_from():
    assert REFERENCE["script"] == "benchmarks/m3gnet_intensive_reference.py"
    assert REFERENCE["versions"]["matgl"] == "4.1.2"
    values = np.array([[*network["values"].values()] for network in REFERENCE["networks"].values()])
    assert np.ptp(values[:, [0, 2, 3]], axis=1).min() > 0.1  # structures that a mistake would not leave alike
