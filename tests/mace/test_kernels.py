"""Compiled loops against the plain form: how a loss of forces changes with every parameter."""

import pytest
import torch
from ase.build import bulk, molecule

import mlzoo
from mlzoo.derivatives import evaluate
from mlzoo.graph import bonded, graph_of
from mlzoo.structures import structure_from
from mlzoo_mace.kernels.learning.form import CompiledMace
from mlzoo_mace.training import TRAINING
from tests.mace.test_training import designed

FILES = [
    "mlip/v01_spice2.zip",
    "mlip/v01_lmax3_corr3_symmetric_ns1.zip",
    "mlip/v02_pseudotensors.zip",
    "mlip/v02_gaunt_sc_mp.zip",
    "mlip/v02_coulomb.zip",
    "mace-torch/large-like-l2.model",
    "mace-torch/mh-like.model",
    "mace-torch/omol-like.model",
]


def crystal_and_molecule(model):
    """Four atoms in a cell so small that atoms see themselves, and three without a cell, of two elements of the model."""
    first, second = model.elements[0], model.elements[-1]
    cell = bulk("Cu", cubic=True, a=3.9)
    cell.numbers[:] = [first, second, second, first]
    water = molecule("H2O")
    water.numbers[:] = [second, first, first]
    parts = []
    for number, atoms in enumerate((cell, water)):
        atoms.rattle(0.1, seed=number)
        structure = structure_from(atoms)
        parts.append(
            bonded(structure, model.cutoff, long_range_cutoff=model.long_range_cutoff, conditions=model.conditions)
        )
    return graph_of(parts)


def slopes(parameters, form, graph):
    """Of a loss that holds energies, forces and virials; a number and a gradient for each parameter."""
    found = evaluate(form, graph, ["energy", "forces", "virial"], create_graph=True)
    loss = found["energy"].sin().sum() + found["forces"].square().sum() + 0.1 * found["virial"].square().sum()
    return loss.detach(), torch.autograd.grad(loss, parameters, allow_unused=True)


def compare(model, tolerance=1e-10):
    parameters = list(model.requires_grad_(True).parameters())
    form, graph = TRAINING.form(model), crystal_and_molecule(model)
    assert isinstance(form, CompiledMace)
    loss, expected = slopes(parameters, model, graph)
    own_loss, found = slopes(parameters, form, graph)
    torch.testing.assert_close(own_loss, loss, rtol=tolerance, atol=0)
    for one, other in zip(expected, found, strict=True):
        if one is None:
            assert other is None or not other.any()
        else:
            torch.testing.assert_close(other, one, rtol=0, atol=tolerance * float(one.abs().max() + 1e-300))


@pytest.mark.parametrize("file", FILES)
def test_published_networks(file, shared):
    compare(mlzoo.load(shared / "weights" / file, dtype="float64", device="cpu", trainable=True).model)


@pytest.mark.parametrize(
    "numbers",
    [
        {},
        {"max_l": 1, "hidden_degree": 1, "correlation": 1, "layers": 3},
        {"max_l": 2, "hidden_degree": 2, "correlation": 2},
    ],
)
def test_designed_networks(numbers):
    compare(designed(**numbers).double())


def test_parameters_are_those_of_the_model():
    model = designed()
    form = TRAINING.form(model)
    assert {id(each) for each in form.parameters()} == {id(each) for each in model.parameters()}
