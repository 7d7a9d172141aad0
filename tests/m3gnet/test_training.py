"""The form of M3GNet that learns against the plain one, which is its definition."""

import pytest
import torch
from ase.build import bulk

from mlzoo.derivatives import evaluate
from mlzoo.graph import graph_from_structure, join
from mlzoo_m3gnet import build
from mlzoo_m3gnet.config import M3GNetConfig
from mlzoo_m3gnet.kernels import learning_block
from mlzoo_m3gnet.training import TRAINING

SMALL = {"elements": (13, 29), "node_width": 5, "edge_width": 6, "hidden_width": 7, "blocks": 2, "max_n": 2, "max_l": 2}
VARIATIONS = [
    {},
    {"radial_basis": "bessel", "aggregate": "neighbour", "activate_node_weights": True},
    {"max_l": 3, "triplets": "pruned", "aggregate": "neighbour"},
    *(pytest.param({"update_layers": layers}, marks=pytest.mark.long) for layers in (1, 2)),  # compiled for each depth
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
    """Along one direction in the space of all parameters."""
    form = TRAINING.form(model)
    _, gradients = learned(model, form, graph, PROPERTIES)
    learning = {name: each for name, each in model.named_parameters() if gradients[name] is not None}
    torch.manual_seed(2)
    direction = {name: torch.randn_like(each) for name, each in learning.items()}
    start, losses = {name: each.detach().clone() for name, each in learning.items()}, []
    for step in (1e-6, -1e-6):
        for name, each in learning.items():
            each.data = start[name] + step * direction[name]
        losses.append(learned(model, form, graph, PROPERTIES)[0])
    slope = sum((gradients[name] * direction[name]).sum() for name in learning)
    assert torch.allclose(slope, (losses[0] - losses[1]) / 2e-6, rtol=1e-5, atol=0)


def test_forces_without_anything_to_learn_are_those_of_the_plain_form(model, graph):
    """As in validation: no gradients by parameters are asked for, and little is kept."""
    found, expected = (evaluate(each, graph, PROPERTIES) for each in (TRAINING.form(model), model))
    frozen = evaluate(TRAINING.form(model.requires_grad_(False)), graph, PROPERTIES)
    for name in PROPERTIES:
        assert torch.allclose(found[name], expected[name], atol=1e-10)
        assert torch.allclose(frozen[name], expected[name], atol=1e-10)


def test_gradients_of_gradients_by_parameters_are_refused(model, graph):
    energy = evaluate(TRAINING.form(model), graph, ["energy"], create_graph=True)["energy"].sum()
    with pytest.raises(NotImplementedError, match="Differentiate the plain model"):
        torch.autograd.grad(energy, model.representation.blocks[0].edge_update.weights[0], create_graph=True)
