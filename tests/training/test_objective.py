"""What an error costs: by the size of the force, for an atom or for the structure."""

import numpy as np
import pytest
import torch
from ase.build import bulk

import mlzoo
from mlzoo.structures import structure_from
from mlzoo.training.batches import PreparedSet
from mlzoo.training.data import Example, Examples
from mlzoo.training.data.examples import Part
from mlzoo.training.objective import Objective
from mlzoo.training.prepared import Bonding, prepare_examples
from mlzoo.training.settings import TargetSettings


@pytest.fixture(scope="module")
def model():
    return mlzoo.load("mace-xtb-organic", dtype="float64", device="cpu")


def errors_of(model, atoms, labels, **targets):
    examples = Examples([Part([Example(structure_from(atoms), labels)])])
    per = {name: "atom" if name == "forces" else "structure" for name in targets}
    prepared = PreparedSet(prepare_examples(examples, Bonding.of(model.model), per), per)
    objective = Objective({name: TargetSettings(**said) for name, said in targets.items()}, {})
    return objective.errors(model.model, prepared.collate([prepared[0]]), create_graph=False)


@pytest.mark.parametrize("far", [False, True])
def test_large_forces_are_told_off_less(model, far):
    """Huber's loss with delta × 1, 0.7, 0.4, 0.1 below 100, 200, 300 eV/Å and above, as in mace-torch 0.3.16."""
    atoms = bulk("C") * (2, 1, 1)
    lengths, deltas = (99.9, 100.0, 299.9, 300.0), (0.01, 0.007, 0.004, 0.001)
    direction = np.array([[0.6, 0.0, 0.8]])  # of length one without rounding
    forces = np.array(lengths)[:, None] * direction
    if not far:  # errors of half a delta and of twice as much
        atoms.rattle(0.05, seed=1)
        forces = model.predict(atoms)["forces"] + np.array([0.005, 0.02, -0.005, 0.02])[:, None]
        deltas = (0.01,) * 4
    found = errors_of(model, atoms, {"forces": forces}, forces={"loss": "graded_huber", "delta": 0.01})["forces"]
    said = torch.from_numpy(model.predict(atoms)["forces"])
    expected = sum(
        torch.nn.functional.huber_loss(each, label, delta=delta, reduction="sum")
        for each, label, delta in zip(said, torch.from_numpy(forces), deltas, strict=True)
    )
    torch.testing.assert_close(found.loss, expected, rtol=1e-9, atol=0)
    assert float(found.count) == 12


def test_an_energy_counts_for_each_atom_or_for_the_structure(model):
    atoms = bulk("C") * (2, 1, 1)
    labels = {"energy": model.predict(atoms)["energy"] - 0.2}
    assert float(errors_of(model, atoms, labels, energy={})["energy"].absolute) == pytest.approx(0.05)
    assert float(errors_of(model, atoms, labels, energy={"per_structure": True})["energy"].absolute) == pytest.approx(
        0.2
    )
