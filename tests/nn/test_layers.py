"""Perceptrons, sets, and constants that keep their digits."""

import copy

import torch
from torch import nn

from mlzoo.nn.constants import KeepsFloat64
from mlzoo.nn.mlp import MLP, EdgeGatedMLP, GatedMLP
from mlzoo.nn.reference import ReferenceEnergies
from mlzoo.nn.set2set import Set2Set


def branch(gated, which, x, last):
    """One of the two perceptrons of a gated one, written out."""
    for layer, weight in enumerate(gated.weights):
        x = x @ weight[which]
        if gated.biases is not None:
            x = x + gated.biases[layer][which]
        x = nn.functional.silu(x) if layer < len(gated.weights) - 1 else last(x)
    return x


def test_a_gated_perceptron_is_value_times_gate():
    x = torch.randn(7, 5, dtype=torch.float64)
    for widths, options in (([5, 6, 4], {}), ([5, 4], {"bias": False}), ([5, 6, 6, 1], {"activate_last": False})):
        gated = GatedMLP(widths, **options).double()
        last = nn.functional.silu if options.get("activate_last", True) else nn.Identity()
        torch.testing.assert_close(gated(x), branch(gated, 0, x, last) * branch(gated, 1, x, torch.sigmoid))


def test_an_edge_perceptron_is_one_on_centre_neighbour_and_edge_side_by_side():
    gated = EdgeGatedMLP(3, 2, [5, 4]).double()
    nodes, edges = torch.randn(4, 3, dtype=torch.float64), torch.randn(6, 2, dtype=torch.float64)
    centres, neighbours = torch.randint(4, (2, 6))
    x = torch.cat([nodes[centres], nodes[neighbours], edges], dim=1)
    expected = branch(gated, 0, x, nn.functional.silu) * branch(gated, 1, x, torch.sigmoid)
    torch.testing.assert_close(gated(nodes, edges, centres, neighbours), expected)


def test_a_perceptron_activates_between_its_maps():
    kinds = [type(step) for step in MLP([3, 4, 1])]
    assert kinds == [nn.Linear, nn.SiLU, nn.Linear]
    assert [type(step) for step in MLP([3, 4, 1], activate_last=True)] == [*kinds, nn.SiLU]


def test_a_set_has_no_order_and_no_other_sets():
    model = Set2Set(4, steps=3, layers=2).double()
    x, index = torch.randn(6, 4, dtype=torch.float64), torch.tensor([0, 0, 0, 1, 1, 2])
    together = model(x, index, 3)
    order = torch.randperm(6)
    torch.testing.assert_close(model(x[order], index[order], 3), together)
    torch.testing.assert_close(model(x[3:5], torch.zeros(2, dtype=torch.int64), 1)[0], together[1])


def test_a_set_repeated_is_the_same_set():
    model = Set2Set(4, steps=3).double()
    x = torch.randn(3, 4, dtype=torch.float64)
    zeros = torch.zeros(6, dtype=torch.int64)
    torch.testing.assert_close(model(torch.cat([x, x]), zeros, 1), model(x, zeros[:3], 1))


def test_an_empty_set_gives_finite_numbers():
    assert Set2Set(4, steps=3)(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), 1).isfinite().all()


def test_constants_stay_in_float64_whatever_the_network_around_them():
    network = nn.Sequential(nn.Linear(1, 1), ReferenceEnergies(torch.tensor([1 / 3, -1e4], dtype=torch.float64)))
    for changed in (network.float(), network.half(), network.to(torch.float32), network.double()):
        assert changed[1].energies.tolist() == [1 / 3, -1e4]
    assert network.float()[0].weight.dtype == torch.float32


def test_constants_go_along_to_a_device_and_into_copies():
    references = ReferenceEnergies(torch.tensor([1.5]))
    assert isinstance(references, KeepsFloat64)
    assert copy.deepcopy(references).to("meta").energies.device.type == "meta"
    assert references.state_dict()["energies"].dtype == torch.float64
