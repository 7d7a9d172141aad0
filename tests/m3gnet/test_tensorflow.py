"""The original M3GNet, from its TensorFlow checkpoint: the original code's numbers, and what is refused."""

import json
import logging
import shutil

import numpy as np
import pytest
import torch
from ase.build import bulk
from m3gnet import bundle_files
from m3gnet.references import structures

import mlzoo
from mlzoo.errors import UnreadableFile, UnsupportedElement

NAME = "MP-2021.2.8-EFS"
# the original evaluates in float32 only, which alone costs about 1e-5 eV/Å
TOLERANCES = {"energy": 1e-5, "forces": 1e-4, "stress": 1e-6}  # eV an atom, eV/Å, eV/Å³
FORMS = {"float64": ("float64", True), "float32": ("float32", True), "float32 in kernels": ("float32", False)}

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture
def published(shared):
    return shared / "weights/m3gnet-tf" / NAME


@pytest.fixture
def folder(published, tmp_path):
    """A writable copy."""
    for file in published.iterdir():
        shutil.copyfile(file, tmp_path / file.name)
    return tmp_path


@pytest.mark.parametrize(("dtype", "exact"), FORMS.values(), ids=FORMS)
def test_the_originals_energies_forces_and_stresses(shared, published, dtype, exact):
    model = mlzoo.load(published, dtype=dtype, exact=exact, device="cpu")
    assert model.provenance["kernels"] == ("plain" if exact else "numba")
    answers = json.loads((shared / f"references/matgl/m3gnet-tf-{NAME}.f32.json").read_text())["results"]
    assert len(answers) == 15
    for name, reference in answers.items():
        answer = model.predict(structures(shared)[name], ["energy", "forces", "stress"])
        deviations = {
            "energy": abs(answer["energy"] - reference["energy"]) / reference["n"],
            "forces": np.abs(answer["forces"] - reference["forces"]).max(),
            "stress": np.abs(answer["stress"] - reference["stress_voigt_eV_A3"]).max(),
        }
        for key, deviation in deviations.items():
            assert deviation < TOLERANCES[key], (name, key)


def test_it_is_known_by_its_files(published):
    model = mlzoo.load(published, device="cpu")
    assert model.provenance["format"] == "m3gnet-tf"
    assert model.provenance["sha256"] == {
        "m3gnet.json": "1aff67d1a07d460185d6e97286147a3e508cf323a532a70412832f374695ff72",
        "m3gnet.index": "7b6cdf0924e0ba9ac8d66c2905bf49ab3365e56def73de90b154d1506cfcc6ce",
        "m3gnet.data-00000-of-00001": "3d6d4bd777eb7af8efe7ccae0804ffbc58cdb9aac946db08b01e7e5f41eb70eb",
    }
    assert model.model.smoothness == "forces"
    assert model.model.local


def test_elements_that_no_structure_had_are_refused(published):
    """The fit of reference energies leaves them at zero; their rows of the embedding were never trained."""
    model = mlzoo.load(published, device="cpu")
    assert set(range(1, 95)) - set(model.model.elements) == {84, 85, 86, 87, 88}
    with pytest.raises(UnsupportedElement, match="Po"):
        model.predict(bulk("Po", "sc", a=3.35))


def test_numbers_survive_our_own_layout(published, tmp_path):
    model = mlzoo.load(published, dtype="float64", device="cpu")
    again = mlzoo.load(model.save(tmp_path / "saved"), dtype="float64", device="cpu")
    atoms = bulk("NaCl", "rocksalt", a=5.69)
    assert again.predict(atoms)["energy"] == model.predict(atoms)["energy"]


def rewritten(folder, **options):
    """Other arguments of the constructor."""
    page = json.loads(json.loads((folder / "m3gnet.json").read_text()))
    page["config"] |= options
    (folder / "m3gnet.json").write_text(json.dumps(json.dumps(page)))
    return folder


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"include_states": True}, "sets include_states=True; only False is supported"),
        ({"mean": 1.5}, "sets mean=1.5; only 0 is supported for is_intensive=False"),
        ({"task_type": "classification"}, "sets task_type='classification'; only 'regression' is supported"),
        ({"is_intensive": True, "readout": "set2set"}, "sets readout='set2set'; only 'weighted_atom' or 'reduce_atom'"),
        ({"is_intensive": True}, "sets element_refs="),
        ({"dropout": 0.1}, "sets dropout, which M3GNet as we know it does not have"),
        ({"element_refs": [0.0, 1.0]}, "element_refs has 2 values for n_atom_types=94"),
        ({"element_refs": 3}, "is no M3GNet as we know it"),
        ({"std": -1.0}, "is no M3GNet as we know it"),
        ({"cutoff": "wide"}, "is no M3GNet as we know it"),
        ({"threebody_cutoff": 6.0}, "exceeds cutoff"),
        ({"n_blocks": 2}, "the tensors do not fit the config"),
        ({"n_blocks": 10**9}, r"three_interactions/999999999/.* and its checkpoint has none"),
        ({"units": 10**9}, r"embeddings of shape \(95, 1000000000\), and its checkpoint has \(95, 64\)"),
        ({"max_l": 10**9}, r"of shape \(64, 3000000000\), and its checkpoint has \(64, 9\)"),
        ({"n_atom_types": 10**9, "element_refs": None}, r"of shape \(1000000001, 64\)"),
        ({"n_blocks": "many"}, "is no M3GNet as we know it"),
    ],
)
def test_an_option_that_is_not_served_is_refused_by_name(folder, options, reason):
    with pytest.raises(UnreadableFile, match=reason):
        mlzoo.load(rewritten(folder, **options))


@pytest.mark.parametrize("said", ["", "{", '"{"', '"M3GNet"', '{"class_name": "M3GNet"}', '["M3GNet"]'])
def test_a_page_that_is_not_one_is_refused(folder, said):
    (folder / "m3gnet.json").write_text(said)
    with pytest.raises(UnreadableFile, match=r"m3gnet\.json|is in no format"):
        mlzoo.load(folder)


def test_an_energy_is_not_given_another_name(folder):
    with pytest.raises(UnreadableFile, match=r"predicts an energy: leave out target='band_gap'\.$"):
        mlzoo.load(folder, target="band_gap")


def test_a_tensor_without_its_gate_or_of_no_place_is_refused(folder):
    value = np.zeros((3, 4), np.float32)
    rewritten(folder, n_atom_types=2, units=4, max_n=3, n_blocks=1, max_l=1, element_refs=None)
    sizes = {
        "featurizer/atom_network/embedding/embeddings": value,
        "feature_adjust/update_func/pipe/layers/0/kernel": value,
        "three_interactions/0/update_network/pipe/layers/0/kernel": np.zeros((4, 3), np.float32),
    }
    for name, reason in {
        "graph_layers/0/atom_network/bond_dense/pipe/layers/0/kernel": "but not graph_layers/.*/gate/",
        "optimizer/rate": "has optimizer/rate, which it should not have",
    }.items():
        tensors = {f"{name}/.ATTRIBUTES/VARIABLE_VALUE": each for name, each in {**sizes, name: value}.items()}
        bundle_files.write(folder / "m3gnet", tensors)
        with pytest.raises(UnreadableFile, match=reason):
            mlzoo.load(folder)


UNITS = 4
DENSE = {
    "final/layers/0/atom_readout/mlp/pipe/layers": [(4, 4), (4, 4)],
    "final/layers/0/atom_readout/weight/pipe/layers": [(4, 4), (4, 1)],
    "final/layers/1/pipe/layers": [(4, 4), (4, 4), (4, 1)],
    "three_interactions/0/update_network/pipe/layers": [(4, 4)],
}
GATED = {
    "graph_layers/0/bond_network/update_func": [(12, 4), (4, 4)],
    "graph_layers/0/atom_network/bond_dense": [(12, 4), (4, 4)],
}
KERNELS = {
    "feature_adjust/update_func/pipe/layers/0/kernel": (2, 4),
    "featurizer/atom_network/embedding/embeddings": (31, 4),
    "graph_layers/0/bond_network/weight_func/kernel": (2, 4),
    "graph_layers/0/atom_network/weight_update/kernel": (2, 4),
    "three_interactions/0/update_network2/pipe/layers/0/kernel": (4, 4),
    "three_interactions/0/update_network2/gate/layers/0/kernel": (4, 4),
}


class TestProperties:
    """Nobody has published such weights, so the names of their tensors come from the original's source."""

    @pytest.fixture
    def tensors(self):
        rng = np.random.default_rng(0)
        shapes = dict(KERNELS)
        for name, layers in DENSE.items():
            for k, shape in enumerate(layers):
                shapes |= {f"{name}/{k}/kernel": shape, f"{name}/{k}/bias": shape[1:]}
        for name, layers in GATED.items():
            for branch in ("pipe", "gate"):
                for k, shape in enumerate(layers):
                    shapes |= {
                        f"{name}/{branch}/layers/{k}/kernel": shape,
                        f"{name}/{branch}/layers/{k}/bias": shape[1:],
                    }
        return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}

    def write(self, folder, tensors, **options):
        small = {"max_n": 2, "max_l": 2, "n_blocks": 1, "units": UNITS, "n_atom_types": 30, **options}
        page = {"class_name": "M3GNet", "config": small}
        (folder / "m3gnet.json").write_text(json.dumps(json.dumps(page)))
        names = {f"{name}/.ATTRIBUTES/VARIABLE_VALUE": tensor for name, tensor in tensors.items()}
        bundle_files.write(folder / "m3gnet", names)
        return folder

    def by_hand(self, tensors, nodes):
        """WeightedReadout and the perceptron behind it, as the original's source has them, for one structure."""

        def dense(name, layer, x):
            return x @ tensors[f"{name}/{layer}/kernel"] + tensors[f"{name}/{layer}/bias"]

        def sigmoid(x):
            return 1 / (1 + np.exp(-x))

        mlp, weight, last = list(DENSE)[:3]
        values, scores, silu = nodes, nodes, lambda x: x * sigmoid(x)
        for layer in (0, 1):
            values = silu(dense(mlp, layer, values))
        weights = sigmoid(dense(weight, 1, silu(dense(weight, 0, scores))))
        pooled = (weights / weights.sum() * values).sum(axis=0)
        return dense(last, 2, silu(dense(last, 1, silu(dense(last, 0, pooled))))).item()

    @pytest.mark.parametrize("task", ["regression", "classification"])
    def test_a_weighted_mean(self, tmp_path, tensors, task):
        classification = task == "classification"
        scaling = {} if classification else {"mean": -1.0, "std": 0.5}
        folder = self.write(tmp_path, tensors, task_type=task, **scaling)
        name = "has_band_gap" if classification else "band_gap"
        model = mlzoo.load(folder, dtype="float64", device="cpu", target=name)
        atoms = bulk("NaCl", "rocksalt", a=5.69)
        nodes = model.descriptors(atoms, layers=[-1])
        output = self.by_hand(tensors, nodes)
        expected = 1 / (1 + np.exp(-output)) if classification else 0.5 * output - 1.0
        assert model.predict(atoms)[name] == pytest.approx(expected, abs=1e-12)

    def test_a_plain_mean(self, tmp_path, tensors):
        kept = {name: tensor for name, tensor in tensors.items() if "atom_readout" not in name}
        folder = self.write(tmp_path, kept, readout="reduce_atom")
        model = mlzoo.load(folder, dtype="float64", device="cpu", target="fermi_energy")
        atoms = bulk("NaCl", "rocksalt", a=5.69)
        pooled = torch.as_tensor(model.descriptors(atoms)).mean(dim=0)
        assert model.predict(atoms)["fermi_energy"] == pytest.approx(model.model.readout(pooled).item(), abs=1e-12)

    def test_whoever_does_not_say_what_it_is_gets_a_value(self, tmp_path, tensors, caplog):
        logging.getLogger("mlzoo").setLevel(logging.NOTSET)
        model = mlzoo.load(self.write(tmp_path, tensors), device="cpu")
        assert model.predict(bulk("Cu")).keys() == {"value"}
        assert "Name it with target=" in caplog.text
