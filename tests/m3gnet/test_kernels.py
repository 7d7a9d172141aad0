"""The inference form of M3GNet against the plain one, which is its definition."""

import copy
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from ase.build import bulk

from mlzoo import parity
from mlzoo.derivatives import evaluate, hessian
from mlzoo.graph import graph_from_structure, join
from mlzoo_m3gnet import build
from mlzoo_m3gnet.config import M3GNetConfig

SMALL = {"elements": (13, 29), "node_width": 16, "edge_width": 24, "hidden_width": 32, "blocks": 2}
VARIATIONS = [
    {},
    {"radial_basis": "bessel", "aggregate": "neighbour"},
    {"max_l": 4, "max_n": 2},
    {"triplets": "pruned", "aggregate": "neighbour"},
    {"threebody_basis": "bessel", "edge_embedding_bias": False, "update_layers": 2, "activate_node_weights": True},
]
PROPERTIES = ["energy", "forces", "virial"]


@pytest.fixture(params=VARIATIONS, ids=str)
def model(request):
    torch.manual_seed(0)
    return build(M3GNetConfig(**{**SMALL, **request.param})).requires_grad_(False)


@pytest.fixture(params=[1, 2, 3], ids="{} atoms a side".format)
def graph(request):
    """Fewer edges than a chunk of the kernel, about one, and several."""
    atoms = bulk("Cu", cubic=True) * ((request.param,) * 3)
    atoms.numbers[::3] = 13
    atoms.rattle(0.1, seed=0)
    return graph_from_structure(atoms, 5.0).to("cpu", torch.float32)


def judge(model, graph):
    """The plain form in float64, and how far float32 alone takes the plain form from it."""
    single = evaluate(model, graph, PROPERTIES)
    exact = evaluate(copy.deepcopy(model).double(), graph.to("cpu", torch.float64), PROPERTIES)
    return exact, {key: (single[key] - exact[key]).abs().max() for key in PROPERTIES}


def test_energy_forces_and_virial_within_the_rounding_of_float32(model, graph):
    exact, rounding = judge(model, graph)
    fast = evaluate(model.inference_form(), graph, PROPERTIES)
    for key in PROPERTIES:
        assert (fast[key] - exact[key]).abs().max() < 4 * rounding[key] + 1e-7 * exact[key].abs().max(), key


def test_the_energy_alone_is_the_same_energy(model, graph):
    model = model.inference_form()
    assert evaluate(model, graph, ["energy"])["energy"].equal(evaluate(model, graph, PROPERTIES)["energy"])


def test_the_same_answer_again_bit_for_bit(model, graph):
    model = model.inference_form()
    first, second = evaluate(model, graph, PROPERTIES), evaluate(model, graph, PROPERTIES)
    assert all(first[key].equal(second[key]) for key in PROPERTIES)


def test_two_graphs_may_wait_for_their_gradients_at_once(model, graph):
    """Buffers are borrowed until the gradient has been taken, so a second evaluation cannot overwrite them."""
    model = model.inference_form()
    expected = evaluate(model, graph, PROPERTIES)["forces"]
    vectors = graph.edges.vectors.clone().requires_grad_()
    waiting = model(replace_vectors(graph, vectors))["energies"].sum()
    evaluate(model, graph, PROPERTIES)
    (slope,) = torch.autograd.grad(waiting, vectors, retain_graph=True)
    (again,) = torch.autograd.grad(waiting, vectors)  # the buffers are gone: through the plain form
    forces = torch.zeros_like(expected).index_add(0, graph.edges.senders, slope.double())
    forces = forces.index_add(0, graph.edges.receivers, -slope.double())
    assert torch.allclose(forces, expected, atol=1e-6)
    assert torch.allclose(slope, again, atol=1e-4 * slope.abs().max())


def replace_vectors(graph, vectors):
    return replace(graph, edges=replace(graph.edges, vectors=vectors))


def test_threads_do_not_take_each_others_buffers(model):
    model = model.inference_form()
    graphs = [graph_from_structure(bulk("Cu") * (n, 2, 1), 5.0).to("cpu", torch.float32) for n in range(1, 9)]
    expected = [evaluate(model, graph, PROPERTIES)["energy"] for graph in graphs]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda graph: evaluate(model, graph, PROPERTIES)["energy"], graphs * 5))
    assert all(one.equal(other) for one, other in zip(found, expected * 5, strict=True))


def test_second_derivatives_go_through_the_plain_form(model):
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=1)
    graph = graph_from_structure(atoms, 5.0)
    fast = hessian(model.inference_form(), graph.to("cpu", torch.float32))
    exact = hessian(model.double(), graph)
    assert torch.allclose(fast, exact, atol=2e-5 * exact.abs().max())


def test_batches_atoms_alone_and_empty_graphs(model):
    model = model.inference_form()
    alone = graph_from_structure(bulk("Cu", a=20.0), 5.0)
    crystal = graph_from_structure(bulk("Cu"), 5.0)
    together = evaluate(model, join([alone, crystal, alone]).to("cpu", torch.float32), PROPERTIES)
    for place, single in enumerate((alone, crystal, alone)):
        expected = evaluate(model, single.to("cpu", torch.float32), PROPERTIES)
        assert torch.allclose(together["energy"][place], expected["energy"][0], atol=1e-6)
        assert torch.allclose(together["virial"][place], expected["virial"][0], atol=1e-5)


def test_a_form_that_gives_other_numbers_is_not_used(model, monkeypatch, caplog):
    wrong = model.inference_form()
    wrong.readout = copy.deepcopy(wrong.readout)
    wrong.readout.biases[-1][0] += 1e-3
    monkeypatch.setattr(type(model), "inference_form", lambda self: wrong)
    assert parity.inference_form(model) is model
    assert "the faster form (numba) of this model gives other energies here" in caplog.text


def test_float64_has_the_plain_form_only(model):
    assert model.inference_form().kernels == "numba"
    assert model.double().inference_form() is None
