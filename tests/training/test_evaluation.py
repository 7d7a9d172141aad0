"""Errors against numbers worked out by hand: labels are a model's own predictions plus offsets that we know."""

import json

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.units import GPa

import mlzoo
from mlzoo import weights
from mlzoo.errors import UnsupportedProperty
from mlzoo.model import PropertyModel
from mlzoo.predictor import Predictor
from mlzoo.properties import Property
from mlzoo.structures import structure_from
from mlzoo.training.data import Example
from mlzoo.training.data.reading import read
from mlzoo.training.evaluation import Failure, evaluate
from mlzoo.training.evaluation.errors_of import Reservoir, Tally


@pytest.fixture(scope="module")
def model():
    return mlzoo.load("mace-xtb-organic", dtype="float64", device="cpu")


def crystals() -> list[Atoms]:
    """C4, CN, C4, N4: 4, 2, 4 and 4 atoms."""
    made = [bulk("C") * (2, 1, 1), bulk("CN", "zincblende", a=3.6), bulk("C", a=3.7) * (2, 1, 1)]
    made.append(bulk("N", "diamond", a=3.6) * (2, 1, 1))
    for seed, atoms in enumerate(made):
        atoms.rattle(0.05, seed=seed)
    return made


def labelled(model, structures, energy=None, forces=None, stress=None, groups=None) -> list[Example]:
    """Labels such that prediction − reference is what is given: a number a structure."""
    made = []
    for place, (atoms, said) in enumerate(zip(structures, model.predict(structures), strict=True)):
        labels = {}
        if energy is not None:
            labels["energy"] = said["energy"] - energy[place]
        if forces is not None:
            labels["forces"] = said["forces"] - forces[place]
        if stress is not None:
            labels["stress"] = said["stress"] - stress[place]
        group = groups[place] if groups else "all"
        made.append(Example(structure_from(atoms), labels, group=group, source=f"set.extxyz:{place}"))
    return made


def test_energy_errors_are_over_structures_and_per_atom_each_over_its_own_atoms(model):
    found = evaluate(model, labelled(model, crystals(), energy=[0.4, -0.2, 0.0, 0.8])).errors
    assert found["energy"].count == 4
    assert found["energy"].mae == pytest.approx(0.35)
    assert found["energy"].rmse == pytest.approx(np.sqrt((0.16 + 0.04 + 0.64) / 4))
    assert found["energy"].bias == pytest.approx(0.25)
    per_atom = found["energy_per_atom"]  # 100, −100, 0, 200 meV
    assert (per_atom.unit, per_atom.mae, per_atom.largest) == ("meV/atom", pytest.approx(100), pytest.approx(200))
    assert per_atom.rmse == pytest.approx(np.sqrt(6) * 50)


def test_spread_and_r2_are_those_of_the_reference(model):
    examples = labelled(model, crystals(), energy=[0.4, -0.2, 0.0, 0.8])
    reference = np.array([each.labels["energy"] / len(each.structure.atomic_numbers) * 1000 for each in examples])
    found = evaluate(model, examples).errors
    apart = reference - reference.mean()
    assert found["energy_per_atom"].spread == pytest.approx(np.abs(apart).mean())
    assert found["energy_per_atom"].r2 == pytest.approx(1 - (100**2 + 100**2 + 200**2) / (apart @ apart))
    assert found["energy"].r2 is None


def test_force_errors_are_over_components_of_all_structures_in_one(model):
    offsets = [np.full((4, 3), 0.1), np.full((2, 3), -0.4), np.zeros((4, 3)), np.zeros((4, 3))]
    examples = labelled(model, crystals(), forces=offsets)
    found = evaluate(model, examples).errors["forces"]
    assert (found.unit, found.count) == ("eV/Å", 42)
    assert found.mae == pytest.approx((12 * 0.1 + 6 * 0.4) / 42)
    assert found.rmse == pytest.approx(np.sqrt((12 * 0.01 + 6 * 0.16) / 42))
    reference = np.concatenate([each.labels["forces"].ravel() for each in examples])
    assert found.spread == pytest.approx(np.abs(reference).mean())
    assert found.r2 == pytest.approx(1 - (12 * 0.01 + 6 * 0.16) / (42 * reference.var()))


def test_forces_by_element(model):
    offset = [np.zeros((4, 3)), np.array([[0.1] * 3, [0.2] * 3]), np.zeros((4, 3)), np.full((4, 3), -0.4)]
    found = evaluate(model, labelled(model, crystals(), forces=offset)).by_element["forces"]
    assert list(found) == ["C", "N"]
    assert (found["C"].count, found["C"].mae) == (27, pytest.approx(3 * 0.1 / 27))
    assert (found["N"].count, found["N"].bias) == (15, pytest.approx((3 * 0.2 - 12 * 0.4) / 15))


def test_stress_is_told_in_two_units(model):
    offset = [[0.01, 0, 0, 0, 0, -0.02], [0] * 6, [0] * 6, [0] * 6]
    found = evaluate(model, labelled(model, crystals(), stress=np.array(offset))).errors
    assert (found["stress"].count, found["stress"].mae) == (24, pytest.approx(0.03 / 24))
    assert found["stress_GPa"].largest == pytest.approx(0.02 / GPa) == pytest.approx(3.2044, abs=1e-4)


def test_errors_by_group(model):
    groups = ["cold", "alloy", "cold", "hot"]
    found = evaluate(model, labelled(model, crystals(), energy=[0.4, -0.2, 0.0, 0.8], groups=groups)).by_group
    assert {group: errors["energy"].mae for group, errors in found.items()} == pytest.approx(
        {"alloy": 0.2, "cold": 0.2, "hot": 0.8}
    )
    assert evaluate(model, labelled(model, crystals(), energy=[0.0] * 4)).by_group == {}


def test_the_worst_come_first_with_their_source(model):
    examples = labelled(model, crystals(), energy=[0.4, -0.3, 0.0, 0.8])
    worst = evaluate(model, examples, worst=3).worst["energy_per_atom"]
    assert [(each.source, each.formula) for each in worst] == [
        ("set.extxyz:3", "N4"), ("set.extxyz:1", "CN"), ("set.extxyz:0", "C4"),
    ]  # fmt: skip
    assert worst[1].error == pytest.approx(150)
    assert worst[1].prediction - worst[1].reference == pytest.approx(-150)


def test_a_missing_label_adds_nothing(model):
    structures = crystals()
    examples = labelled(model, structures, energy=[0.1, 0.1, 0.1, 0.1])
    examples[1] = Example(examples[1].structure, {"forces": model.predict(structures[1])["forces"]})
    examples[2] = Example(examples[2].structure, {"colour": 3.0})
    found = evaluate(model, examples)
    assert (found.structures, found.evaluated, found.unlabelled) == (4, 3, 1)
    assert (found.errors["energy"].count, found.errors["forces"].count) == (2, 6)
    assert found.errors["forces"].mae == pytest.approx(0, abs=1e-12)


def test_components_that_are_nan_are_missing(model):
    offset = [np.full((4, 3), 0.5), *(np.zeros((n, 3)) for n in (2, 4, 4))]
    examples = labelled(model, crystals(), forces=offset)
    examples[0].labels["forces"][1:] = np.nan
    assert evaluate(model, examples).errors["forces"].mae == pytest.approx(3 * 0.5 / 33)


def test_a_stress_without_a_prediction_is_counted(model):
    cluster = Atoms("C2", positions=[[0, 0, 0], [0, 0, 1.4]])
    examples = [
        *labelled(model, crystals(), stress=np.zeros((4, 6))),
        Example(structure_from(cluster), {"stress": np.zeros(6)}),
    ]
    found = evaluate(model, examples)
    assert found.unanswered == {"stress": 1}
    assert found.errors["stress"].count == 24


def test_what_fails_is_named_and_adds_nothing(model):
    examples = labelled(model, crystals(), energy=[0.1] * 4, forces=[np.zeros((n, 3)) for n in (4, 2, 4, 4)])
    examples[0] = Example(structure_from(bulk("Fe")), {"energy": 0.0}, source="set.extxyz:0")
    examples[2] = Example(examples[2].structure, {"forces": np.zeros((3, 3))}, source="set.extxyz:2")
    found = evaluate(model, [*examples, Failure("", "UnreadableFile", "frame set.extxyz:4 is cut short")])
    assert [failure.kind for failure in found.failures] == ["UnsupportedElement", "InvalidStructure", "UnreadableFile"]
    assert str(found.failures[0]).startswith("set.extxyz:0: UnsupportedElement: the structure contains Fe")
    assert "label forces has the shape (3, 3), and the prediction (4, 3)" in str(found.failures[1])
    assert (found.structures, found.evaluated, found.errors["energy"].count) == (5, 2, 2)
    assert found.errors["energy"].mae == pytest.approx(0.1)


def test_where_all_fail_there_are_no_numbers_and_no_nan(model):
    found = evaluate(model, [Example(structure_from(bulk("Fe")), {"energy": 0.0})])
    assert found.errors == {}
    assert "NaN" not in json.dumps(found.as_dict())


class Broken(PropertyModel):
    """A band gap of one eV for each atom, which is not a number for nitrogen."""

    cutoff, elements, outputs = 3.0, (6, 7), (Property("band_gap", "eV"),)

    def forward(self, graph):
        nitrogen = (graph.atomic_numbers == 7).float()
        bad = torch.zeros(graph.n_structures).index_add(0, graph.structure_index, nitrogen)
        count = torch.zeros(graph.n_structures).index_add(0, graph.structure_index, torch.ones(graph.n_atoms))
        return {"band_gap": torch.where(bad > 0, torch.nan, count)}


def test_a_property_of_its_own_and_a_prediction_that_is_not_finite():
    manifest = weights.Manifest("broken", "mlzoo", "0", "float32", {}, {})
    examples = [
        Example(structure_from(atoms), {"band_gap": gap})
        for atoms, gap in zip(crystals(), [3.0, 1.0, 6.0, 1.0], strict=True)
    ]
    found = evaluate(Predictor(Broken(), manifest, "broken"), examples)
    assert (found.errors["band_gap"].mae, found.errors["band_gap"].unit) == (1.5, "eV")
    assert found.errors["band_gap"].r2 == pytest.approx(1 - (1 + 4) / (1.5**2 + 1.5**2))
    assert [failure.reason[:33] for failure in found.failures] == ["the model's band_gap is not finit"] * 2


def test_a_committee_is_a_model_like_others(model):
    found = evaluate(
        mlzoo.committee(["mace-xtb-organic"] * 2), labelled(model, crystals(), energy=[0.4, -0.2, 0.0, 0.8])
    )
    assert found.errors["energy"].mae == pytest.approx(0.35, abs=1e-4)


def test_no_label_that_the_model_predicts_is_an_error(model):
    with pytest.raises(
        UnsupportedProperty, match="no labels that the model predicts: they have band_gap, and mace-xtb-organic"
    ):
        evaluate(model, [Example(structure_from(bulk("C")), {"band_gap": 0.0})])


def test_aligned_by_composition_energies_that_differ_by_element_agree(model):
    offsets = [4 * 1.5, 1.5 - 2.0, 4 * 1.5, 4 * -2.0]  # model − data: 1.5 eV for C, −2 eV for N
    found = evaluate(model, labelled(model, crystals(), energy=offsets), align="composition")
    assert found.errors["energy"].largest == pytest.approx(0, abs=1e-9)
    assert found.alignment.shifts == pytest.approx({6: -1.5, 7: 2.0})
    assert "SHIFTED before they were compared, by element, in eV an atom: C -1.5000, N +2.0000" in str(found.alignment)


def test_aligned_by_the_mean_one_number_an_atom_is_taken_off(model):
    examples = labelled(model, crystals(), energy=[0.4, -0.2, 0.0, 0.8])  # 100, −100, 0, 200: mean 50 meV an atom
    found = evaluate(model, examples, align="mean")
    assert found.errors["energy_per_atom"].mae == pytest.approx((50 + 150 + 50 + 150) / 4)
    assert found.alignment.shifts == pytest.approx({6: -0.05, 7: -0.05})


def test_an_alignment_with_as_many_numbers_as_structures_says_that_nothing_is_left(model):
    found = evaluate(model, labelled(model, crystals()[:2], energy=[1.0, 2.0]), align="composition")
    assert "2 numbers for 2 structures: the errors left say nothing" in str(found.alignment)
    with pytest.raises(UnsupportedProperty, match="no energy is compared"):
        evaluate(model, labelled(model, crystals(), stress=np.zeros((4, 6))), align="mean")


def test_pairs_are_a_bounded_sample_and_sums_are_exact(model):
    examples = labelled(model, crystals() * 20, forces=[np.full((n, 3), 0.1) for n in (4, 2, 4, 4)] * 20)
    found = evaluate(model, iter(examples), plotted=100)
    assert found.pairs["forces"].shape == (100, 2)
    np.testing.assert_allclose(found.pairs["forces"] @ [-1, 1], 0.1)
    assert (found.errors["forces"].count, found.errors["forces"].mae) == (840, pytest.approx(0.1))


def test_each_pair_is_as_likely_to_be_sampled():
    counts = np.zeros(50)
    for seed in range(2000):
        reservoir = Reservoir(10)
        reservoir._random = np.random.default_rng(seed)
        for chunk in np.split(np.arange(50.0), [3, 12, 13, 40]):
            reservoir.add(chunk, chunk)
        kept = reservoir.pairs[:, 0].astype(int)
        assert len(set(kept)) == 10
        counts[kept] += 1
    assert np.abs(counts / 2000 - 0.2).max() < 5 * np.sqrt(0.2 * 0.8 / 2000)


def test_sums_over_pieces_are_sums_over_all():
    rng = np.random.default_rng(0)
    reference, prediction = rng.normal(5, 2, 1000), rng.normal(5, 2, 1000)
    whole, pieces = Tally(), Tally()
    whole.add(reference, prediction)
    for rows in np.split(np.arange(1000), [1, 10, 500]):
        pieces.add(reference[rows], prediction[rows])
    assert pieces.errors("eV").r2 == pytest.approx(whole.errors("eV").r2)
    assert whole.errors("eV").r2 == pytest.approx(1 - ((prediction - reference) ** 2).mean() / reference.var())


def test_it_becomes_json(model):
    found = evaluate(model, labelled(model, crystals(), energy=[0.1] * 4, groups=["a", "a", "b", "b"]), align="mean")
    said = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert said["errors"]["energy"]["unit"] == "eV"
    assert said["by_group"]["b"]["energy"]["count"] == 2
    assert said["model"]["model"] == "mace-xtb-organic"
    assert said["alignment"]["kind"] == "mean"


def test_a_published_model_on_silicon(shared):
    """It softens forces and has another zero of energy than mlearn's data: wrong by tenths of both, and not by more."""
    model = mlzoo.load(shared / "weights/matgl/M3GNet-MP-2021.2.8-PES", device="cpu")
    examples = read(shared / "data/mlearn/Si_test.xyz.gz")
    found = evaluate(model, examples)
    assert (found.evaluated, found.failures) == (25, ())
    assert 10 < found.errors["energy_per_atom"].mae < 300
    assert 0.05 < found.errors["forces"].mae < 0.4 < found.errors["forces"].spread
    assert found.errors["stress_GPa"].mae < 2
