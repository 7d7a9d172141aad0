"""A committee gives the mean and the population standard deviation of models whose energies mean the same."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule

import mlzoo
from mlzoo.committees import Committee
from mlzoo.errors import DifferentMembers, PredictionError


@pytest.fixture(scope="module")
def committee():
    """The embedded model, and two copies with other last weights."""
    members = [mlzoo.load("mace-xtb-organic", dtype="float64", device="cpu", exact=True) for _ in range(3)]
    for factor, member in zip((1.0, 1.01, 0.97), members, strict=True):
        with torch.no_grad():
            member.model.readouts["1"].weights[1].mul_(factor)
    return Committee(members)


@pytest.fixture
def diamond() -> Atoms:
    atoms = bulk("C", cubic=True)
    atoms.rattle(0.1, seed=0)
    return atoms


def test_mean_and_population_deviation_of_every_property(committee, diamond):
    every = [member.predict(diamond) for member in committee.members]
    found = committee.predict(diamond)
    for name in ("energy", "energies", "forces", "stress", "virial"):
        values = np.array([answer[name] for answer in every])
        np.testing.assert_allclose(found[name], values.mean(axis=0), atol=1e-12)
        np.testing.assert_allclose(found[f"{name}_std"], np.sqrt(((values - values.mean(0)) ** 2).mean(0)), atol=1e-12)
    assert found["energy_std"] > 1e-4


def test_many_structures_and_one_that_fails(committee, diamond):
    energies = committee.predict([diamond, Atoms("Xe"), molecule("H2O")], ["energy"], on_error="keep")
    assert isinstance(energies[1], PredictionError)
    assert energies[0] == pytest.approx(committee.predict(diamond, ["energy"]), abs=1e-9)
    assert energies[0].keys() == {"energy", "energy_std"}


def test_in_ase(committee, diamond):
    diamond.calc = committee.calculator(skin=0.5)
    expected = committee.predict(diamond)
    assert diamond.get_potential_energy() == pytest.approx(expected["energy"], abs=1e-9)
    np.testing.assert_allclose(diamond.get_forces(), expected["forces"], atol=1e-9)
    assert diamond.calc.results["energy_std"] == pytest.approx(expected["energy_std"], abs=1e-9)
    assert [each["model"] for each in diamond.calc.parameters["members"]] == ["mace-xtb-organic"] * 3


def test_members_of_another_level_of_theory_are_refused(committee):
    first, other, _ = committee.members
    theirs = type(other)(other.model, other.manifest, "theirs", other.card.model_copy(update={"theory": "r2SCAN"}))
    with pytest.raises(
        DifferentMembers, match=r"mace-xtb-organic was trained on .*, theirs on r2SCAN: the mean .* nothing"
    ):
        Committee([first, theirs])


def test_members_with_another_zero_of_energy_are_refused():
    first, other = (mlzoo.load("mace-xtb-organic", dtype="float64", device="cpu", exact=True) for _ in range(2))
    other.model.table.references[0, 1] += 0.5
    with pytest.raises(
        DifferentMembers,
        match=r"counts C as \(.*,\) eV, mace-xtb-organic as \(.*,\) eV: their energies have different zeros",
    ):
        Committee([first, other])


def test_one_member_is_none():
    with pytest.raises(DifferentMembers, match="at least two members, not 1"):
        mlzoo.committee(["mace-xtb-organic"])
