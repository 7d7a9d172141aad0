"""A weight cut to some of its elements: the whole one's numbers, and nothing of the others."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ase import Atoms
from mace.references import MACE_TORCH
from typer.testing import CliRunner

import mlzoo
from mlzoo import elements
from mlzoo.checks import structures_of
from mlzoo.cli import app
from mlzoo.errors import PluginError, UnsupportedElement, VerificationFailed
from mlzoo.model import EnergyModel
from mlzoo.plugin import Architecture

MLIP = [
    "v01_gate_nodes",
    "v01_heads3_layers3",
    "v01_species_embedding",
    "v02_coulomb",
    "v02_gate_nodes",
    "v02_gaunt_sc_mp",
]
LIKE_OTHERS = (
    "large-like-l2",
    "mp0-medium-like",
    "mp0-small-like",
    "mace01_swa",
    "mace02_com1",
    "mace02_com2",
    "mace02_com3",
)
FILES = [
    *(
        pytest.param(f"{name}.model", marks=pytest.mark.long if name.endswith(LIKE_OTHERS) else ())
        for name in MACE_TORCH
    ),
    *(f"mlip/{name}.zip" for name in MLIP),
    *("matgl/M3GNet-MP-2021.2.8-PES", "matgl/MEGNet-MP-2018.6.1-Eform"),
]
TINY = "mace-torch/tiny-scaleshift.model"  # of H, C, O and Si
pytestmark = pytest.mark.usefixtures("quiet")


def load(shared, file, **options):
    return mlzoo.load(shared / "weights" / file, device="cpu", **{"dtype": "float64", "exact": True, **options})


def every_head(model):
    """Conditions that tell the heads apart."""
    heads = [condition.labels for condition in model.conditions if condition.name == "head"]
    return [{"head": head} for head in heads[0]] if heads else [{}]


@pytest.mark.parametrize("file", FILES)
def test_the_numbers_of_the_whole_model(shared, file):
    """In the plain form and in the one that answers, of elements from the middle of the list on: all places change."""
    whole = load(shared, file)
    known = whole.model.elements
    kept = known[len(known) // 2 :: max(len(known) // 6, 1)]
    form = load(shared, file, elements=kept, exact=False)
    assert form.model.elements == kept
    assert (form.form is form.model) == file.startswith("matgl")  # which have another form in float32 only
    crystal, _, molecule = structures_of(form.model)
    for atoms, head in [(molecule, {}), *((crystal, head) for head in every_head(whole.model))]:
        expected = whole.predict(atoms, **head)
        assert "stress" in expected or atoms is molecule or not isinstance(whole.model, EnergyModel)
        for cut in (form.in_float64(), form):
            found = cut.predict(atoms, **head)
            assert found.keys() == expected.keys()
            for name, value in expected.items():
                largest = np.abs(value).max()
                np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-10 * largest, err_msg=name)


def test_one_element_is_enough(shared):
    whole, cut = load(shared, TINY), load(shared, TINY, elements="O")
    atoms = Atoms("O3", positions=[[0, 0, 0], [1.3, 0, 0], [1.9, 1.1, 0]])
    np.testing.assert_allclose(cut.predict(atoms)["forces"], whole.predict(atoms)["forces"], atol=1e-12)
    assert cut.model.reference_energies == {8: whole.model.reference_energies[8]}


def test_what_is_gone_is_refused_and_what_is_left_is_said(shared):
    whole, cut = load(shared, TINY), load(shared, TINY, elements=["O", 1])
    assert cut.model.elements == (1, 8)
    assert cut.card.elements == ("H", "O")
    assert cut.provenance["cut_to"] == ["H", "O"]
    assert "cut_to" not in whole.provenance
    assert cut.provenance["sha256"] == whole.provenance["sha256"]  # of the file that it was read from
    with pytest.raises(UnsupportedElement, match=r"contains C, but tiny-scaleshift\.model knows only H, O\."):
        cut.predict(Atoms("CO", positions=[[0, 0, 0], [1.1, 0, 0]]))


def test_all_of_its_elements_are_no_cut(shared):
    model = load(shared, TINY, elements=[1, 6, 8, 14])
    assert "cut_to" not in model.provenance
    assert "Cut to" not in model.card.text


def test_a_cut_weight_is_saved_and_cut_again(shared, tmp_path):
    cut = load(shared, TINY, elements=["H", "C", "O"])
    folder = cut.save(tmp_path / "organic")
    again = mlzoo.load(folder, device="cpu", dtype="float64", exact=True, verify=True)
    assert again.model.config == cut.model.config
    assert again.provenance["cut_to"] == ["H", "C", "O"]
    assert "Cut to H, C, O by mlzoo" in (folder / "README.md").read_text()
    water = Atoms("OH2", positions=[[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    assert np.array_equal(again.predict(water)["forces"], cut.predict(water)["forces"])
    twice = mlzoo.load(folder, device="cpu", dtype="float64", elements=["H", "O"])
    assert twice.provenance["cut_to"] == ["H", "O"]
    assert twice.predict(water)["energy"] == pytest.approx(cut.predict(water)["energy"], rel=1e-12)


def test_a_card_names_what_is_left(tmp_path):
    cut = mlzoo.load("mace-xtb-organic", device="cpu", elements=["H", "C", "O"])
    assert cut.card.elements == ("H", "C", "O")
    folder = cut.save(tmp_path / "organic")
    page = (folder / "README.md").read_text()
    assert "elements: [H, C, O]" in page
    assert "Cut to H, C, O by mlzoo" in page
    assert mlzoo.load(folder, device="cpu").card.elements == ("H", "C", "O")


def test_reference_values_are_those_of_structures_that_are_left(shared, tmp_path):
    """Carried along they are the whole model's numbers; where none is left, the cut one has none to be held to."""
    folder = load(shared, TINY).save(tmp_path / "whole")
    reference = json.loads((folder / "checks.json").read_text())
    numbers = [set(check["numbers"]) for check in reference["checks"]]
    assert all(14 in each for each in numbers)
    assert mlzoo.load(folder, device="cpu", elements=["H", "C"]).verify() == []
    with pytest.raises(VerificationFailed, match=r"no reference values for the way it was loaded"):
        mlzoo.load(folder, device="cpu", elements=["H", "C"], verify=True)
    others = [z for each in numbers for z in each if z != 14]
    reference["checks"][0]["numbers"] = [others[0]] * len(reference["checks"][0]["numbers"])
    (folder / "checks.json").write_text(json.dumps(reference))
    assert mlzoo.load(folder, device="cpu", elements=[others[0]]).verify() != []


def test_on_the_command_line(shared, tmp_path):
    out = tmp_path / "organic"
    done = CliRunner().invoke(app, ["convert", str(shared / "weights" / TINY), "-o", str(out), "--elements", "H,O"])
    assert done.exit_code == 0, done.output
    assert mlzoo.load(out, device="cpu").model.elements == (1, 8)


# What is refused


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (["H", "Xx"], "'Xx' is no element. Write symbols as H, Na, Cl, or atomic numbers from 1 to 118."),
        (["h"], "'h' is no element"),
        ("CO2", "'CO2' is no element"),
        ([0], "0 is no element"),
        ([119], "119 is no element"),
        ([True], "True is no element"),
        (["X"], "'X' is no element"),
        (["H", 8, 1], r"elements=\['H', 8, 1\] names H more than once"),
        ([], r"elements=\[\] would leave nothing of a model"),
    ],
)
def test_what_is_no_list_of_elements_is_refused_before_any_file_is_read(given, reason):
    with pytest.raises(UnsupportedElement, match=reason):
        mlzoo.load("no/such/file", elements=given)


def test_elements_that_the_model_lacks(shared):
    reason = (
        r"elements names N, Au, but tiny-scaleshift\.model knows only H, C, O, Si\. "
        r"`mlzoo list --elements H,N,Au` shows models that cover them\."
    )
    with pytest.raises(UnsupportedElement, match=reason):
        load(shared, TINY, elements=["Au", "N", "H"])


def test_elements_that_a_card_lacks_are_refused_before_the_download(monkeypatch):
    monkeypatch.setattr("mlzoo.sources.fetch", lambda *_: pytest.fail("something was fetched"))
    with pytest.raises(UnsupportedElement, match="elements names Au, but mace-spice2 knows only H, "):
        mlzoo.load("mace-spice2", elements=["Au", "H"])


def test_an_architecture_that_does_not_say_how(shared, monkeypatch):
    def undeclared(name, known=mlzoo.registry.architecture):
        return Architecture(**{**vars(known(name)), "element_tables": False})

    monkeypatch.setattr("mlzoo.cutting.registry.architecture", undeclared)
    with pytest.raises(PluginError, match=r"cannot be cut to H, O: the plugin of mace does not say that .* may be\."):
        load(shared, TINY, elements=["O", "H"])


def test_numbers_of_numpy_are_numbers():
    assert elements.named({*Atoms("H2O").numbers}) == (1, 8)
