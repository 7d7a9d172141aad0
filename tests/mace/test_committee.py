"""A committee of three published models, as MACECalculator answers for them together."""

import json

import ase.io
import numpy as np
import pytest

import mlzoo


def test_mean_and_population_variance_are_those_of_mace_torch(shared):
    answers = json.loads((shared / "references/mace-real/committee.json").read_text())
    paths = [shared / "weights/mace-real" / name for name in answers["models"]]
    committee = mlzoo.committee(paths, dtype="float64", device="cpu")
    frames = ase.io.read(shared / "references/mace-real/structures.extxyz", index=":")
    structures = {atoms.info["name"]: atoms for atoms in frames}
    for name, expected in answers["results"].items():
        found = committee.predict(structures[name])
        assert found["energy"] == pytest.approx(expected["energy"], rel=1e-12)
        assert found["energy_std"] ** 2 == pytest.approx(expected["energy_var"], rel=1e-10)
        np.testing.assert_allclose(found["forces"], expected["forces"], atol=1e-11)
        np.testing.assert_allclose(found["forces_std"] ** 2, expected["forces_var"], atol=1e-11)


def test_members_from_two_zeros_of_energy_are_refused(shared):
    folder = shared / "weights/mace-torch"
    with pytest.raises(mlzoo.errors.DifferentMembers, match="their energies have different zeros"):
        mlzoo.committee([folder / "tiny-mace.model", folder / "tiny-scaleshift.model"], device="cpu")
