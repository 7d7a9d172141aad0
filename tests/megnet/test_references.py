"""The published MEGNet weights give the original codes' numbers."""

import json
import logging

import pytest
from m3gnet.references import answers, structures

import mlzoo
from mlzoo.errors import InvalidStructure

EFORM, BAND_GAP = "MEGNet-MP-2018.6.1-Eform", "MEGNet-MP-2019.4.1-BandGap-mfi"
KERAS = {  # file -> property
    "mp-2018.6.1/formation_energy": "formation_energy_per_atom",
    "mp-2018.6.1/band_gap_regression": "band_gap",
    "mp-2018.6.1/log10K": "log10_bulk_modulus",
    "mp-2018.6.1/log10G": "log10_shear_modulus",
    "mp-2019.4.1/efermi": "fermi_energy",
}


@pytest.fixture(scope="module")
def load(shared):
    logging.getLogger("mlzoo").setLevel(logging.ERROR)
    yield lambda name, **options: mlzoo.load(shared / "weights" / name, device="cpu", **options)
    logging.getLogger("mlzoo").setLevel(logging.NOTSET)


def keras_answers(shared, name):
    page = shared / f"references/matgl/megnet-tf-{name.replace('/', '-')}.f32.json"
    return json.loads(page.read_text())["results"]


def answered(references):
    return {name: reference for name, reference in references.items() if "error" not in reference}


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-9), ("float32", 1e-4)])
@pytest.mark.parametrize("convention", ["legacy", "v4"])
def test_formation_energies_of_matgl(shared, load, convention, dtype, tolerance):
    model = load(f"matgl/{EFORM}", convention=convention, dtype=dtype)
    references = answered(answers(shared, EFORM, convention))
    assert len(references) > 10
    for name, reference in references.items():
        structure = structures(shared)[name]
        assert len(model.graph(structure).edges) == reference["n_edges"], name
        found = model.predict(structure)
        assert found == {"formation_energy_per_atom": pytest.approx(reference["value"], rel=0, abs=tolerance)}, name


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-9), ("float32", 1e-4)])
@pytest.mark.parametrize("convention", ["legacy", "v4"])
def test_band_gaps_of_matgl_in_all_four_fidelities(shared, load, convention, dtype, tolerance):
    model = load(f"matgl/{BAND_GAP}", convention=convention, dtype=dtype)
    for name, reference in answered(answers(shared, BAND_GAP, convention)).items():
        assert len(reference["value_by_state"]) == 4
        for state, expected in reference["value_by_state"].items():
            found = model.predict(structures(shared)[name], state=int(state))["band_gap"]
            assert found == pytest.approx(expected, rel=0, abs=tolerance), (name, state)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", KERAS)
def test_keras_models_against_tensorflow_in_float32(shared, load, name, dtype):
    model = load(f"megnet-tf/{name}.hdf5", dtype=dtype)
    references = answered(keras_answers(shared, name))
    assert len(references) > 10
    for structure, reference in references.items():
        found = model.predict(structures(shared)[structure])
        assert found == {KERAS[name]: pytest.approx(reference["value"], rel=1e-4)}, structure


@pytest.mark.parametrize("weight", [f"matgl/{EFORM}", f"matgl/{BAND_GAP}", "megnet-tf/mp-2018.6.1/log10K.hdf5"])
def test_a_structure_without_bonds_is_refused_where_the_originals_fail(shared, load, weight):
    model = load(weight)
    conditions = {condition.name: condition.example for condition in model.model.conditions}
    with pytest.raises(InvalidStructure, match=r"no two atoms are within \d\.0 Å of each other"):
        model.predict(structures(shared)["isolated_fe_box"], **conditions)


def test_a_batch_gives_what_each_gives_alone_and_names_what_it_refuses(shared, load):
    model = load(f"matgl/{BAND_GAP}", dtype="float64")
    names = ["nacl8", "isolated_fe_box", "si8_rattled", "cu32_rattled"]
    together = model.predict([structures(shared)[name] for name in names], on_error="keep", state="hse")
    assert "no two atoms" in str(together[1])
    for name, found in zip(names, together, strict=True):
        if name != "isolated_fe_box":
            assert found == pytest.approx(model.predict(structures(shared)[name], state="hse"), rel=1e-12)
