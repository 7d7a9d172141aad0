"""The form of M3GNet that learns against the plain one, which is its definition."""

import copy
from dataclasses import replace

import pytest
import torch
from ase.build import bulk

from mlzoo.derivatives import evaluate, hessian
from mlzoo.graph import graph_from_structure, join
from mlzoo_m3gnet import build
from mlzoo_m3gnet.config import M3GNetConfig
from mlzoo_m3gnet.kernels import learning_block
from mlzoo_m3gnet.training import TRAINING

SMALL = {"elements": (13, 29), "node_width": 5, "edge_width": 6, "hidden_width": 7, "blocks": 2, "max_n": 2, "max_l": 2}
VARIATIONS = [
    {},
    {"radial_basis": "bessel", "aggregate": "neighbour", "activate_node_weights": True},
    {"max_l": 3, "update_layers": 1},
    {"triplets": "pruned", "aggregate": "neighbour", "update_layers": 2},
]
PROPERTIES = ["energy", "forces", "virial"]


@pytest.fixture(params=VARIATIONS, ids=str)
def model(request):
    torch.manual_seed(0)
    return build(M3GNetConfig(**{**SMALL, **request.param})).double()


@pytest.fixture
def graph(monkeypatch):
    """Two crystals and an atom alone, in some chunks of the kernel."""
    monkeypatch.setattr(learning_block, "CACHED", 7 * 50)
    crystals = []
    for seed in range(2):
        atoms = bulk("Cu", cubic=True)
        atoms.numbers[seed::2] = 13
        atoms.rattle(0.1, seed=seed)
        crystals.append(graph_from_structure(atoms, 5.0))
    return join([crystals[0], graph_from_structure(bulk("Cu", a=20.0), 5.0), crystals[1]])


def learned(model, form, graph, properties):
    """Loss and gradients of all parameters, of a loss in which every number counts."""
    model.zero_grad()
    answers = evaluate(form, graph, properties, create_graph=True)
    generator = torch.Generator().manual_seed(1)
    labels = {name: torch.randn(answers[name].shape, generator=generator, dtype=torch.float64) for name in properties}
    loss = sum((answers[name] - labels[name]).square().sum() for name in properties)
    loss.backward()
    return loss.detach(), {name: each.grad for name, each in model.named_parameters()}


def assert_equal(found, expected):
    (loss, gradients), (expected_loss, expected_gradients) = found, expected
    assert torch.allclose(loss, expected_loss, rtol=1e-10, atol=0)
    for name, gradient in expected_gradients.items():
        if gradient is None:  # the last update of edges is read by nobody
            assert gradients[name] is None or not gradients[name].any(), name
        else:
            assert (gradients[name] - gradient).abs().max() <= 1e-10 * gradient.abs().max(), name


@pytest.mark.parametrize("properties", [PROPERTIES, ["forces"], ["energy"]], ids=str)
def test_loss_and_gradients_of_all_parameters_are_those_of_the_plain_form(model, graph, properties):
    form = TRAINING.form(model)
    assert form.kernels == "numba"
    assert_equal(learned(model, form, graph, properties), learned(model, model, graph, properties))


def test_gradients_of_a_loss_on_forces_are_its_finite_differences(model, graph):
    form = TRAINING.form(model)
    _, gradients = learned(model, form, graph, PROPERTIES)
    torch.manual_seed(2)
    for name, parameter in model.named_parameters():
        if gradients[name] is None:
            continue
        direction, start, losses = torch.randn_like(parameter), parameter.detach().clone(), []
        for step in (1e-5, -1e-5):
            parameter.data = start + step * direction
            losses.append(learned(model, form, graph, PROPERTIES)[0])
        parameter.data = start
        slope = (losses[0] - losses[1]) / 2e-5
        assert torch.allclose((gradients[name] * direction).sum(), slope, rtol=1e-5, atol=1e-5 * losses[0].abs()), name
