"""InstaDeep's zips give the numbers of the original library, and a hostile one is refused."""

import contextlib
import io
import json
import pickle
import zipfile
from functools import cache
from itertools import permutations

import numpy as np
import pytest
import torch
from mace.references import MLIP, SINGLE, mlip_answers, mlip_structures

import mlzoo
from mlzoo.errors import UnreadableFile
from mlzoo_mace.config import natural
from mlzoo_mace.readers import mlip, mlip_first
from mlzoo_mace.readers.bases import full_basis, symmetric_basis

VOIGT = [0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]


FORMS = pytest.mark.parametrize("exact", [True, False], ids=["plain", "form"])


@cache
def load(shared, name, dtype="float64", exact=True):
    return mlzoo.load(shared / f"weights/mlip/{name}.zip", dtype=dtype, device="cpu", exact=exact)


def reference_energy(model, atoms, head):
    return sum(model.model.reference_energies[z][head] for z in atoms.numbers)


@FORMS
@pytest.mark.parametrize("name", MLIP)
def test_float64_gives_the_librarys_numbers(shared, name, exact):
    model = load(shared, name, exact=exact)
    assert (model.form is model.model) == exact
    heads = model.model.config.heads
    for expected in mlip_answers(shared, name):
        atoms, head = mlip_structures(shared)[expected["name"]], expected.get("head", 0)
        found = model.predict(atoms, **({"head": head} if len(heads) > 1 else {}))
        forces = np.array(expected["forces"])
        largest = max(np.abs(forces).max(), 1e-3)
        zero = reference_energy(model, atoms, head if len(heads) > 1 else 0)
        assert found["energy"] - zero == pytest.approx(expected["energy"] - zero, abs=1e-6 * len(atoms)), atoms
        np.testing.assert_allclose(found["forces"], forces, rtol=0, atol=1e-6 * largest)
        if name != "v02_coulomb":  # the library leaves the Coulomb energy out of the energies of atoms
            each = np.abs(expected["node_energies"]).max()
            np.testing.assert_allclose(found["energies"], expected["node_energies"], rtol=0, atol=1e-6 * max(each, 1))
        if "stress_eV_per_A3" in expected:
            stress = np.array(expected["stress_eV_per_A3"])[VOIGT]
            np.testing.assert_allclose(found["stress"], stress, rtol=0, atol=1e-6 * max(np.abs(stress).max(), 1e-2))
        if "partial_charges" in expected:
            np.testing.assert_allclose(found["charges"], expected["partial_charges"], rtol=0, atol=1e-6)
            assert found["charges"].sum() == pytest.approx(atoms.info["charge"], abs=1e-9)


def test_the_published_architecture_to_the_last_digits_of_its_prefactor(shared):
    """That prefactor is rounded to float32 by the library."""
    model = load(shared, "v01_spice2")
    for expected in mlip_answers(shared, "v01_spice2"):
        found = model.predict(mlip_structures(shared)[expected["name"]])
        assert found["energy"] == pytest.approx(expected["energy"], abs=1e-5)
        np.testing.assert_allclose(found["forces"], expected["forces"], rtol=0, atol=1e-5)


@FORMS
@pytest.mark.parametrize("name", SINGLE)
def test_float32_to_its_own_rounding(shared, name, exact):
    model = load(shared, name, "float32", exact)
    assert (model.form is model.model) == exact
    large = {"v01_e0_dict_large": 5e-3, "v02_spice2": 2e-3, "v02_charges": 2e-3}  # E0 of 7e4 eV, forces of 40 eV/Å
    for expected in mlip_answers(shared, name, "f32"):
        found = model.predict(mlip_structures(shared)[expected["name"]])
        assert found["energy"] == pytest.approx(expected["energy"], abs=large.get(name, 2e-4))
        largest = np.abs(expected["forces"]).max()  # eV/Å; some reach 40
        np.testing.assert_allclose(found["forces"], expected["forces"], rtol=0, atol=max(1e-4, 5e-5 * largest))


def test_a_head_is_chosen_by_name_or_number_at_the_call(shared):
    model = load(shared, "v02_heads3")
    atoms = mlip_structures(shared)["ethanol"]
    energies = [model.predict(atoms, head=head)["energy"] for head in (0, "b", 2)]
    assert len(set(energies)) == 3
    assert model.predict(atoms)["energy"] == energies[0]
    assert model.predict(atoms, head="a")["energy"] == energies[0]


def test_an_unknown_charge_is_refused(shared):
    with pytest.raises(mlzoo.errors.InvalidCondition, match=r"charge=5 is not known to this model\. It knows -1, 0, 1"):
        load(shared, "v02_charges").predict(mlip_structures(shared)["water"], charge=5)


class TestBases:
    @pytest.mark.parametrize("max_l", [1, 2, 3])
    @pytest.mark.parametrize("order", [2, 3])
    def test_the_symmetric_basis_is_the_librarys(self, shared, max_l, order):
        stored = np.load(shared / "references/mlip/symmetric_basis.npz")
        found = 0
        for key in stored.files:
            if key.startswith(f"lmax{max_l}_order{order}_"):
                irrep = key.rsplit("_", 1)[1]
                ours = symmetric_basis(natural(max_l), order, (irrep,))[irrep].transpose(-1, -2).numpy()
                np.testing.assert_allclose(ours, stored[key], atol=1e-12)
                found += 1
        assert found

    def test_symmetric_tensors_are_in_the_span_of_the_full_basis(self):
        inputs = natural(2)
        full = full_basis(inputs, 3, ("1o",))["1o"]
        average = sum(full.permute(*axes, 3, 4) for axes in permutations(range(3))) / 6
        span, _ = torch.linalg.qr(symmetric_basis(inputs, 3, ("1o",))["1o"].flatten(0, -2))
        rest = average.flatten(0, -2) - span @ (span.T @ average.flatten(0, -2))
        assert rest.abs().max() < 1e-12


@pytest.fixture
def parts(shared):
    """Members of a small published-format zip."""
    with zipfile.ZipFile(shared / "weights/mlip/v01_tiny.zip") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def arrays_of(content, **changes):
    stored = dict(np.load(io.BytesIO(content)))
    for change in changes.values():
        change(stored)
    new = io.BytesIO()
    np.savez(new, **stored)
    return new.getvalue()


class Canary:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


class TestHostile:
    def test_another_member(self, parts, tmp_path):
        path = packed(tmp_path / "m.zip", {**parts, "__init__.py": b"1 / 0"})
        with pytest.raises(UnreadableFile, match=r"holds hyperparams\.json, params\.npz, __init__\.py, not"):
            mlzoo.load(path)

    def test_a_missing_member(self, parts, tmp_path):
        path = packed(tmp_path / "m.zip", {"hyperparams.json": parts["hyperparams.json"]})
        with pytest.raises(UnreadableFile, match=r"holds hyperparams\.json, not"):
            mlzoo.load(path)

    def test_an_array_that_is_a_pickle_is_not_opened(self, parts, tmp_path):
        canary = tmp_path / "canary"
        key = "params#mlip_network#MaceBlock_0#evil"
        trick = np.array([Canary(canary)], dtype=object)
        content = io.BytesIO()
        np.savez(content, **dict(np.load(io.BytesIO(parts["params.npz"]))), **{key: trick})
        canary.unlink(missing_ok=True)
        path = packed(tmp_path / "m.zip", {**parts, "params.npz": content.getvalue()})
        with pytest.raises(UnreadableFile, match="evil' is none of numbers"):
            mlzoo.load(path)
        assert not canary.exists()

    def test_a_pickle_in_place_of_the_arrays(self, parts, tmp_path):
        canary = tmp_path / "canary"
        path = packed(tmp_path / "m.zip", {**parts, "params.npz": pickle.dumps(Canary(canary))})
        canary.unlink(missing_ok=True)
        with pytest.raises(UnreadableFile, match="is no whole zip of InstaDeep's"):
            mlzoo.load(path)
        assert not canary.exists()

    def test_a_bomb(self, parts, tmp_path, monkeypatch):
        monkeypatch.setattr(mlip, "LARGEST", 1 << 20)
        bomb = io.BytesIO()
        with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.npy", bytes(2 << 20))
        path = packed(tmp_path / "m.zip", {**parts, "params.npz": bomb.getvalue()})
        with pytest.raises(UnreadableFile, match=r"params\.npz announces 2097152 bytes, more than a model can need"):
            mlzoo.load(path)
        path = packed(tmp_path / "n.zip", {**parts, "params.npz": bytes(2 << 20)}, zipfile.ZIP_DEFLATED)
        with pytest.raises(UnreadableFile, match=r"params\.npz announces 2097152 bytes, more than a model can need"):
            mlzoo.load(path)

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            (lambda a: a.update(stranger=np.zeros(2, np.float32)), "the array 'stranger' belongs to no MACE"),
            (lambda a: a.update({"params#mlip_network#MaceBlock_0#new": np.ones(2)}), "does not have: new"),
            (lambda a: a.update({k: v.astype(int) for k, v in list(a.items())[:1]}), "is not all finite numbers"),
            (lambda a: a.update({k: v * np.nan for k, v in list(a.items())[:1]}), "is not all finite numbers"),
            (lambda a: a.update({k: v[:, :3] for k, v in list(a.items())[:1]}), r"has shape \(.*\), not \("),
            (lambda a: a.pop(next(k for k in a if "Dense_2" in k)), r"lacks the array layer_0#Inter.*Dense_2#kernel"),
        ],
    )
    def test_arrays_that_are_not_what_they_should_be(self, parts, tmp_path, change, sentence):
        path = packed(tmp_path / "m.zip", {**parts, "params.npz": arrays_of(parts["params.npz"], change=change)})
        with pytest.raises(UnreadableFile, match=sentence):
            mlzoo.load(path)

    @pytest.mark.parametrize(
        ("key", "value", "sentence"),
        [
            ("activation", "gelu", "uses the activation 'gelu', which is not known"),
            ("radial_envelope", "box", "has radial_envelope='box', which is not known"),
            ("atomic_energies", "random", "has atomic_energies='random', which is not known"),
            ("include_pseudotensors", True, "include_pseudotensors is set, which this generation never could"),
            ("attention", 4, "the options attention are not known"),
            ("l_max", 10**6, r"config\.l_max: Input should be less than or equal to 6"),
            ("num_layers", 10**12, r"config\.num_layers: Input should be less than or equal to 64"),
            ("num_bessel", 10**12, r"config\.num_bessel: Input should be less"),
            ("correlation", 6, r"config\.correlation: Input should be less than or equal to 4"),
            ("node_symmetry", 3, "node_symmetry=3 is above l_max=2"),
            ("num_channels", None, r"config\.num_channels: Input should be a valid integer"),
            ("num_species", 3, "has num_species=3 and 5 elements"),
            ("avg_num_neighbors", 0, r"config\.avg_num_neighbors: Input should be greater than 0"),
            ("avg_num_neighbors", float("nan"), r"config\.avg_num_neighbors: Input should be a finite number"),
            ("avg_r_min", 4.5, r"has neighbours at 4\.5 Å and a cutoff of 4\.0 Å"),
            ("readout_irreps", ["4x1o", "0e"], r"config\.readout_irreps\.0: String should match"),
        ],
    )
    def test_an_option_that_is_not_known_is_refused_by_name(self, parts, tmp_path, key, value, sentence):
        said = json.loads(parts["hyperparams.json"])
        said["config"][key] = value
        path = packed(tmp_path / "m.zip", {**parts, "hyperparams.json": json.dumps(said)})
        with pytest.raises(UnreadableFile, match=sentence):
            mlzoo.load(path)

    @pytest.mark.parametrize(
        ("name", "section", "change", "sentence"),
        [
            ("v01_tiny", "dataset_info", {"atomic_energies_map": {}}, "there are no elements"),
            ("v01_tiny", "dataset_info", {"atomic_energies_map": {"0": 1.0}}, r"atomic_energies_map.*greater than"),
            ("v01_tiny", "dataset_info", {"cutoff_distance_angstrom": None}, "there is no cutoff"),
            ("v01_lmax3_corr3_symmetric_ns1", "config", {"correlation": 4}, "=4 with l_max=3 is more than can be read"),
            ("v02_gaunt_sc", "config", {"include_pseudotensors": True}, "beside Gaunt products, which have none"),
            ("v02_heads3", "config", {"num_readout_heads": 2}, "3 maps of energies for 2 heads"),
            ("v02_tiny", "config", {"use_coulomb_term": True}, "a Coulomb term needs partial charges and a cutoff"),
            ("v02_charges", "dataset_info", {"total_charge_set": None}, "charge needs total_charge_set"),
            ("v02_tiny", "config", {"soft_normalization": 0}, "soft_normalization: Input should be greater than 0"),
            ("v02_tiny", "config", {"correlation": 1}, "has a wrong number of weights for 0e"),
        ],
    )
    def test_hyperparameters_that_contradict_each_other(self, shared, tmp_path, name, section, change, sentence):
        with zipfile.ZipFile(shared / f"weights/mlip/{name}.zip") as archive:
            members = {each: archive.read(each) for each in archive.namelist()}
        said = json.loads(members["hyperparams.json"])
        said[section].update(change)
        path = packed(tmp_path / "m.zip", {**members, "hyperparams.json": json.dumps(said)})
        with pytest.raises(UnreadableFile, match=sentence):
            mlzoo.load(path)

    @pytest.mark.parametrize("content", [b"", b"[]", b"null", b"\xff", b"[" * 100_000])
    def test_hyperparameters_that_are_none(self, parts, tmp_path, content):
        path = packed(tmp_path / "m.zip", {**parts, "hyperparams.json": content})
        with pytest.raises(UnreadableFile, match=r"m\.zip is in no format"):
            mlzoo.load(path)
        with pytest.raises(UnreadableFile, match=r"m\.zip: hyperparams\.json, as a whole"):
            mlip_first.read(path)

    def test_another_network_of_the_same_library_is_not_ours(self, parts, tmp_path):
        said = json.loads(parts["hyperparams.json"])
        del said["config"]["correlation"]
        path = packed(tmp_path / "visnet.zip", {**parts, "hyperparams.json": json.dumps(said)})
        with pytest.raises(UnreadableFile, match=r"visnet\.zip is in no format that an installed plugin reads"):
            mlzoo.load(path)

    @pytest.mark.parametrize(
        "header",
        [
            b"{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,)}",
            b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
            b"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}",
            b"__import__('os').abort()",
            b"(" * 9000,
        ],
    )
    def test_a_header_that_lies(self, parts, tmp_path, header):
        content = io.BytesIO(parts["params.npz"])
        with zipfile.ZipFile(content, "a") as archive:
            lie = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
            archive.writestr("params#mlip_network#MaceBlock_0#lie.npy", lie)
        path = packed(tmp_path / "m.zip", {**parts, "params.npz": content.getvalue()})
        with pytest.raises(UnreadableFile, match=r"m\.zip"):
            mlzoo.load(path)

    @pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    def test_flipped_bytes_are_refused_or_harmless(self, parts, tmp_path, compression):
        content = packed(tmp_path / "m.zip", parts, compression).read_bytes()
        random = np.random.default_rng(1)
        for _ in range(40):
            flipped = bytearray(content)
            flipped[random.integers(len(content))] ^= int(random.integers(1, 256))
            (tmp_path / "m.zip").write_bytes(flipped)
            with contextlib.suppress(UnreadableFile):
                mlip_first.read(tmp_path / "m.zip")

    @pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
    def test_a_file_cut_short(self, shared, tmp_path, share):
        content = (shared / "weights/mlip/v01_tiny.zip").read_bytes()
        (tmp_path / "m.zip").write_bytes(content[: int(share * len(content))])
        with pytest.raises(UnreadableFile, match=r"m\.zip"):
            mlzoo.load(tmp_path / "m.zip")
