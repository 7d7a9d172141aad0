"""mace-torch's `.model` files give the numbers of mace-torch, and what our networks cannot express is refused."""

from __future__ import annotations

import itertools
import json
import warnings
from functools import cache

import numpy as np
import pytest
import torch
from mace.references import MACE_TORCH, mace_torch_cases, mace_torch_structures

import mlzoo
from mlzoo import inert_pickle
from mlzoo.checksums import sha256
from mlzoo.errors import InvalidCondition, UnreadableFile
from mlzoo.inert_pickle import Record, Reference
from mlzoo_mace.readers import mace_torch
from mlzoo_mace.readers.mace_torch_layers import OTHER_SIGN
from mlzoo_mace.readers.sniffs import sniff_mace_torch

VOIGT = [0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]


@cache
def load(shared, name, dtype="float64", exact=True, **options):
    return mlzoo.load(shared / f"weights/{name}.model", dtype=dtype, device="cpu", exact=exact, **options)


def cases(shared, name, model):
    """Each structure that was recorded, with the conditions that the model knows, and what they are."""
    return mace_torch_cases(shared, name, {condition.name for condition in model.model.conditions})


def assert_close(found, expected, relative, what, floor=1e-6):
    """Within a share of the largest value."""
    largest = max(np.abs(expected).max(), floor)
    np.testing.assert_allclose(found, expected, rtol=0, atol=relative * largest, err_msg=str(what))


def embedding_energies(model, atoms, conditions):
    """What is read from the first features: mace-torch has it in the energy and leaves it out of those of atoms."""
    network, graph = model.model, model.graph(atoms, conditions).to(model.device, model.dtype)
    if not network.config.embedding.readout:
        return np.zeros(len(atoms))
    with torch.no_grad():
        first = network.embedding(network.index_of[graph.atomic_numbers], graph)
        return network.embedding_readout(first)[:, 0, 0].double().numpy()


@pytest.mark.parametrize("name", MACE_TORCH)
@pytest.mark.parametrize(("dtype", "relative"), [("float64", 1e-8), ("float32", 1e-4)])
@pytest.mark.parametrize("exact", [True, False], ids=["plain", "form"])
def test_the_numbers_of_mace_torch(shared, name, dtype, relative, exact):
    model = load(shared, name, dtype, exact)
    assert (model.form is model.model) == exact
    for key, atoms, conditions, answers in cases(shared, name, model):
        expected = answers[
            dtype if exact else "float64"
        ]  # splines of the form are made in float64, and are nearer to it
        found = model.predict(atoms, ["energy", "energies", "forces", "virial"], **conditions)
        assert len(model.graph(atoms, conditions).edges) == expected["n_edges"], key
        head = model.model.config.heads.index(conditions.get("head", model.model.config.heads[0]))
        zero = sum(model.model.reference_energies[z][head] for z in atoms.numbers)
        first = embedding_energies(model, atoms, conditions)
        minus_e0 = np.array(expected["node_energy_minus_e0"])
        interaction = expected.get("interaction_energy", minus_e0.sum())
        tolerance = relative * max(np.abs(minus_e0).max(), 1e-3)  # of an atom; they may cancel in the sum
        assert found["energy"] - zero - first.sum() == pytest.approx(interaction, abs=tolerance * len(atoms)), key
        assert found["energy"] == pytest.approx(expected["energy"], abs=tolerance * len(atoms), rel=relative / 100), key
        assert_close(found["energies"] - first, np.array(expected["node_energy_total"]), relative, key)
        rounded = (
            1e-6 if dtype == "float64" else 0.5
        )  # eV/Å: forces are differences of larger ones, rounded by each CPU
        assert_close(found["forces"], np.array(expected["forces"]), relative, key, floor=rounded)
        strain = np.array(expected["stress_voigt"]) * expected["stress_volume_used"]
        assert_close(found["virial"][VOIGT], strain, relative, key)


@pytest.mark.parametrize("name", MACE_TORCH)
def test_features_of_every_layer(shared, name):
    model = load(shared, name)
    recorded = np.load(shared / "references" / name / "descriptors_float64.npz")
    for key, atoms, conditions, _ in cases(shared, name, model):
        everything = model.descriptors(atoms, invariant=False, **conditions)
        assert_close(everything, recorded[f"{key}/node_feats"], 1e-8, key)
        assert_close(model.descriptors(atoms, **conditions), recorded[f"{key}/descriptors_invariant"], 1e-8, key)


@pytest.mark.parametrize("name", MACE_TORCH)
def test_what_is_said_of_a_file(shared, name):
    path = shared / f"weights/{name}.model"
    read = mace_torch.read(path)
    card = path.with_suffix(".json")
    expected = json.loads(card.read_text()) if card.exists() else {"cls": "ScaleShiftMACE", "dtype": "float64"}
    assert sniff_mace_torch(path)
    assert read.provenance == {"sha256": {path.name: sha256(path)}, "class": expected["cls"]}
    assert read.dtype == expected["dtype"]
    assert read.config.heads == tuple(expected.get("heads", ["Default"]))
    assert all(tensor.is_contiguous() for tensor in read.state.values())


def test_by_default_it_runs_in_the_precision_it_was_stored_in(shared):
    for name, dtype in (("mace-torch/tiny-mace", torch.float64), ("mace-torch/mp0-small-like", torch.float32)):
        assert load(shared, name, dtype=None).dtype == dtype


def test_heads_are_named_and_the_default_one_is_assumed(shared):
    model = load(shared, "mace-torch/multihead-like")
    atoms = mace_torch_structures(shared, "mace-torch")["water"]
    assumed, named = model.predict(atoms), model.predict(atoms, head="Default")
    assert assumed["energy"] == named["energy"] != model.predict(atoms, head="dft2")["energy"]
    with pytest.raises(InvalidCondition, match=r"'Default' .*'pt_head' .*'dft2'"):
        model.predict(atoms, head="none")


def test_charge_and_spin_come_from_the_atoms(shared):
    model = load(shared, "mace-torch/omol-like")
    atoms = mace_torch_structures(shared, "mace-torch")["water"].copy()
    neutral = model.predict(atoms)["energy"]
    assert model.predict(atoms, charge=0, spin=1)["energy"] == neutral
    atoms.info.update(charge=-1, spin=2)
    assert model.predict(atoms)["energy"] != neutral
    with pytest.raises(InvalidCondition, match=r"charge=11 is not known to this model\. It knows -10 to 10"):
        model.predict(atoms, charge=11)


# What is refused


def read_changed(monkeypatch, shared, name, change):
    """Reads a file in whose pickle something else is written."""
    model = inert_pickle.load(shared / f"weights/mace-torch/{name}.model", mace_torch.RECORDS)
    change(model)
    monkeypatch.setattr(mace_torch.inert_pickle, "load", lambda *_, **__: model)
    return mace_torch.read(shared / f"weights/mace-torch/{name}.model")


def module(model: Record, path: str) -> Record:
    for name in path.split(".") if path else ():
        model = model.state["_modules"][name]
    return model


def of_class(path: str, kind: str):
    return lambda model: setattr(module(model, path), "name", kind)


def says(path: str, name: str, value):
    return lambda model: module(model, path).state.update({name: value})


def holds(path: str, part: str, name: str, value):
    return lambda model: module(model, path).state[part].update({name: value})


def without(path: str, part: str, name: str):
    return lambda model: module(model, path).state[part].pop(name)


SQUARES, BLOCKS, RADIAL = "mace.modules.models", "mace.modules.blocks", "mace.modules.radial"
REFUSED = {
    "model": (of_class("", "mace.modules.models.BOTNet"), "a model of the class BOTNet"),
    "interaction": (
        of_class("interactions.1", f"{BLOCKS}.AgnosticResidualNonlinearInteractionBlock"),
        r"interactions\.1 is of the class AgnosticResidualNonlinearInteractionBlock",
    ),
    "radial functions": (of_class("radial_embedding.bessel_fn", f"{RADIAL}.Splines"), "Splines; mlzoo reads BesselB"),
    "envelope": (of_class("radial_embedding.cutoff_fn", f"{RADIAL}.Cosine"), "Cosine; mlzoo reads PolynomialCutoff"),
    "transform": (of_class("radial_embedding.distance_transform", f"{RADIAL}.Log"), "Log; mlzoo reads AgnesiTransform"),
    "readout": (
        of_class("readouts.1", f"{BLOCKS}.GeneralNonLinearBiasReadoutBlock"),
        "GeneralNonLinearBiasReadoutBlock; mlzoo reads LinearReadoutBlock",
    ),
    "dipoles": (of_class("readouts.1", f"{BLOCKS}.NonLinearDipoleReadoutBlock"), "NonLinearDipoleReadoutBlock"),
    "adapters": (of_class("interactions.0.linear", "mace.modules.lora.LoRADenseLinear"), "LoRADenseLinear"),
    "rotations only": (says("", "use_so3", True), "are not those of all degrees up to 2"),
    "a new switch": (says("interactions.0", "use_magic", True), r"it has interactions\.0\.use_magic = True"),
    "another backend": (
        says("products.0", "cueq_config", Record("mace.modules.wrapper_ops.CuEquivarianceConfig")),
        r"products\.0\.cueq_config = mace\.modules\.wrapper_ops\.CuEquivarianceConfig",
    ),
    "a hook": (says("readouts.0", "_forward_hooks", {0: Reference("mace.modules.blocks.x")}), r"0\._forward_hooks"),
    "a new tensor": (holds("readouts.0", "_buffers", "temperature", torch.ones(1)), r"readouts\.0\.temperature"),
    "a bias": (holds("readouts.0.linear", "_buffers", "bias", torch.ones(1)), r"readouts\.0\.linear\.bias"),
    "two of a name": (holds("readouts.0.linear", "_parameters", "bias", torch.ones(1)), "two tensors of the name bias"),
    "a new module": (
        lambda model: model.state["_modules"].update(les=model.state["_modules"]["scale_shift"]),
        r"it has les \(mace\.modules\.blocks\.ScaleShiftBlock\)",
    ),
    "function": (
        says("readouts.1.non_linearity.acts.0", "f", Reference("torch.nn.functional.gelu")),
        "uses torch.nn.functional.gelu; mlzoo reads abs, elu, relu, sigmoid, silu, tanh",
    ),
    "function of ours": (says("readouts.1.non_linearity.acts.0", "f", Record("mace.modules.x")), "mace.modules.x"),
    "harmonics": (says("spherical_harmonics", "normalization", "norm"), "normalization is 'norm'"),
    "degree": (says("spherical_harmonics", "_lmax", 10**15), "go up to degree 1000000000000000"),
    "exponent": (
        holds("radial_embedding.cutoff_fn", "_buffers", "p", torch.tensor(5.5)),
        r"cutoff_fn\.p is 5\.5, which is no whole number",
    ),
    "missing tensor": (without("scale_shift", "_buffers", "scale"), r"the tensor scale_shift\.scale is missing"),
    "missing module": (without("", "_modules", "node_embedding"), "node_embedding is missing"),
    "no module": (lambda model: model.state["_modules"].update(products=7), "products holds 7, which is no torch mod"),
    "heads": (says("readouts.1", "num_heads", 2), "num_heads is 2, of which mlzoo knows 1 only"),
    "irreps": (says("interactions.0", "target_irreps", "16x0e+8x1o"), "16x0e.8x1o; mlzoo reads irreps that occur once"),
    "width": (says("interactions.0", "target_irreps", "999x0e+999x1o+999x2e"), "does not give what the next step"),
    "text": (says("interactions.0", "target_irreps", "scalars"), "'scalars' are no irreps"),
    "layers": (
        lambda model: module(model, "readouts").state["_modules"].update({"2": module(model, "readouts.0")}),
        "no mace-torch model as we know them",
    ),
    "expanded": (
        holds("interactions.0.linear_up", "_parameters", "weight", torch.ones(1).expand(256)),
        r"linear_up\.weight has 256 elements that are not all in the file",
    ),
    "elements": (holds("", "_buffers", "atomic_numbers", torch.tensor([1, 6, 14, 8])), "must ascend"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_our_networks_cannot_express_is_refused_by_name(monkeypatch, shared, case):
    change, reason = REFUSED[case]
    with pytest.raises(UnreadableFile, match=reason) as error:
        read_changed(monkeypatch, shared, "tiny-scaleshift", change)
    assert "tiny-scaleshift.model" in str(error.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda model: model.state["embedding_specs"]["total_spin"].update(type="ordinal"), "total_spin as 'ordinal'"),
        (lambda model: model.state["embedding_specs"]["total_charge"].update(per="atom"), "total_charge per 'atom'"),
    ],
)
def test_other_embeddings_are_refused(monkeypatch, shared, change, reason):
    with pytest.raises(UnreadableFile, match=reason):
        read_changed(monkeypatch, shared, "omol-like", change)


def test_a_tanh_of_torch_itself_is_read(monkeypatch, shared):
    """It is pickled as an attribute of a class, which `getattr` fetches."""
    tanh = Record("builtins.getattr", (Reference("torch._C._VariableFunctionsClass"), "tanh"))
    change = says("readouts.1.non_linearity.acts.0", "f", tanh)
    read = read_changed(monkeypatch, shared, "tiny-scaleshift", change)
    assert read.config.layers[1].readout.activation.function == "tanh"


def test_3j_symbols_have_the_signs_of_the_e3nn_that_mace_torch_needs():
    """Degrees up to 4, 4 and 5 for which e3nn 0.4.4 and 0.6.0 were found to differ: none with an even sum."""
    measured = {(1, 2, 2), (1, 3, 3), (1, 4, 4), (2, 1, 2), (2, 2, 1), (3, 1, 3), (3, 3, 1), (4, 1, 4), (4, 4, 1)}
    degrees = itertools.product(range(5), range(5), range(6))
    assert {each for each in degrees if tuple(sorted(each)) in OTHER_SIGN} == measured | {(4, 4, 5)}


def test_reading_warns_of_nothing(shared):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mace_torch.read(shared / "weights/mace-torch/tiny-mace.model")
