"""Numbers of atoms as a target: the loss counts each atom, and what is missing adds nothing."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.io import read, write
from training.runs import labelled, settings

import mlzoo
from mlzoo.errors import InvalidTraining
from mlzoo.graph import graph_from_structure
from mlzoo.model import EnergyModel
from mlzoo.properties import Property
from mlzoo.structures import structure_from
from mlzoo.training.batches import PreparedSet
from mlzoo.training.data import Example, Examples, Part
from mlzoo.training.objective import Objective
from mlzoo.training.prepared import Bonding, prepare_examples
from mlzoo.training.run import run
from mlzoo.training.settings import TargetSettings, checked
from mlzoo.training.statistics import survey

MACE = {"cutoff": 3.5, "channels": 8, "max_l": 1, "hidden_degree": 0, "correlation": 1, "layers": 1, "num_bessel": 4}


class Ones(EnergyModel):
    """One for every atom."""

    cutoff, elements, outputs = 4.0, (13, 29), (Property("charges", "e", "atom"),)

    def forward(self, graph):
        ones = graph.edges.vectors.new_ones(graph.n_atoms)
        return {"energies": 0 * ones, "charges": ones}


def copper(charges, times=1):
    atoms = bulk("Cu", cubic=True) * (times, 1, 1)
    labels = {} if charges is None else {"charges": np.asarray(charges, float)}
    return Example(structure_from(atoms), labels, source=f"{times} cells")


def test_the_loss_is_a_mean_over_the_atoms_that_have_a_label():
    """Errors of 1 on four atoms and of 2 on eight, none on the four without: (4 · 1 + 8 · 4) / 12."""
    examples = Examples([Part([copper([0.0] * 4), copper([3.0] * 8, 2), copper(None)])])
    prepared = prepare_examples(examples, Bonding.of(Ones()), {"charges": "atom"})
    batch = PreparedSet(prepared, {"charges": "atom"})
    errors = Objective({"charges": TargetSettings()}, {}).errors(
        Ones(), batch.collate([batch[0], batch[1], batch[2]]), create_graph=False
    )
    assert float(errors["charges"].count) == float(errors["charges"].numbers) == 12
    assert float(errors["charges"].loss) == pytest.approx(36)


def test_mean_and_deviation_are_those_of_all_atoms():
    known = survey([copper([0, 0, 0, 1]), copper([2] * 8, 2), copper(None)], ["default"], lambda *_: {}, ["charges"])
    numbers = np.array([0, 0, 0, 1, *[2] * 8])
    assert known.targets["charges"] == pytest.approx((numbers.mean(), numbers.std()), rel=1e-12)


def test_a_label_of_another_shape_is_told_before_training():
    examples = Examples([Part([copper([0.0] * 4), copper([1.0, 2.0])])])
    with pytest.raises(InvalidTraining, match=r"has charges of shape \(2,\) and 4 atoms, .* one number an atom"):
        prepare_examples(examples, Bonding.of(Ones()), {"charges": "atom"})


def test_charges_are_learnt_beside_energies(tmp_path):
    """Charges by element, of which a third of the structures know nothing, and one that is charged."""
    frames = [
        Atoms(each, info={"REF_energy": each.get_potential_energy()})
        for each in read(labelled(tmp_path / "a.xyz"), ":")
    ]
    for number, atoms in enumerate(frames):
        raw = np.where(atoms.numbers == 13, 0.5, -0.2)
        atoms.info["charge"] = number % 2
        if number % 3:
            atoms.set_array("charges", raw - raw.mean() + atoms.info["charge"] / len(atoms))
    write(tmp_path / "charged.xyz", frames)
    said = settings(tmp_path / "charged.xyz", tmp_path / "run", num_epochs=25)
    said |= {"model": {"architecture": "mace", "config": MACE}, "targets": {"energy": {}, "charges": {}}}
    model = mlzoo.load(run(checked(said, "test")).folder)
    for atoms in frames:
        found = model.predict(atoms)["charges"]
        assert found.sum() == pytest.approx(atoms.info["charge"], abs=1e-9)
        if "charges" in atoms.arrays:
            assert np.abs(found - atoms.arrays["charges"]).max() < 0.1


def test_an_atom_of_its_own_has_one_number(tmp_path):
    """ASE writes it as an array of one, which is no number of the structure here."""
    lone = Example(structure_from(Atoms("Cu")), {"charges": np.array([1.0])}, source="lone")
    graph = graph_from_structure(Atoms("Cu"), 4.0)
    prepared = prepare_examples(Examples([Part([lone])]), Bonding.of(Ones()), {"charges": "atom"})
    batch = PreparedSet(prepared, {"charges": "atom"})
    assert batch.collate([batch[0]]).labels["charges"].shape == Ones()(graph)["charges"].shape == torch.Size([1])
