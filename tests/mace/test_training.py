"""A MACE from a few numbers: what every architecture has to do, and weights of the size that they are meant to have."""

import numpy as np
import pytest
import torch
from ase.build import bulk
from pydantic import ValidationError

from mlzoo.derivatives import evaluate
from mlzoo.graph import graph_from_structure
from mlzoo.testing import ArchitectureContract
from mlzoo.training.statistics import Head, Statistics
from mlzoo_mace import build
from mlzoo_mace.config import MaceConfig
from mlzoo_mace.design import Design
from mlzoo_mace.kernels.answering.form import FrozenMace
from mlzoo_mace.training import TRAINING

HEAD = Head({1: -13.6, 8: -430.0, 14: -100.0}, -0.3, 1.7)
KNOWN = Statistics((1, 8, 14), {"default": HEAD}, {}, 20.0)


def designed(**numbers):
    torch.manual_seed(0)
    config = MaceConfig.model_validate(TRAINING.complete({"channels": 8, **numbers}, KNOWN))
    model = build(config)
    TRAINING.prepare(model, KNOWN)
    return model


class TestDesigned(ArchitectureContract):
    @pytest.fixture
    def model(self):
        return designed(max_l=2, correlation=2).double()


class TestDesignedOfScalars(ArchitectureContract):
    @pytest.fixture
    def model(self):
        return designed(max_l=2, hidden_degree=0, correlation=3, layers=1).double()


CHOICES = {
    "inversion": False,
    "correlation": (1, 2),
    "radial_functions": "gaussian",
    "distance_transform": "agnesi",
    "envelope_power": 6,
    "envelope_on": "weights",
    "first_interaction": "plain",
    "edge_channels": 3,
    "edge_degree": 0,
    "agnostic_product": True,
    "readout_layers": 2,
    "readout_bias": True,
    "readout_activation": "tanh",
    "last_readout_only": True,
    "conditions": ({"condition": "charge", "classes": 3, "offset": 1}, {"condition": "temperature", "hidden": 3}),
    "embedding_readout": True,
    "repulsion": True,
}
SMALL = {"channels": 4, "max_l": 1, "correlation": 2, "radial_hidden": (6,), "readout_hidden": 3, "num_bessel": 4}
INTERACTIONS = ("plain", "density", "density_residual", "attention", "non_linear")
DESIGNS = [{name: value} for name, value in CHOICES.items()] + [{"interaction": kind} for kind in INTERACTIONS]


@pytest.mark.long  # each choice by itself is tried below
class TestDesignedWithEveryChoice(ArchitectureContract):
    @pytest.fixture
    def model(self):
        kinds = {"interaction": "attention", "first_interaction": "density"}
        return designed(**SMALL | CHOICES | kinds | {"distance_transform": "soft", "inversion": True}).double()


@pytest.mark.parametrize("choice", DESIGNS, ids=lambda choice: " ".join(map(str, choice.items()))[:40])
def test_each_choice_makes_another_network_that_learns_and_answers_as_it_is(choice):
    """Its forms agree with it, and energies have the size that the data say."""
    plain, model = designed(**SMALL).config, designed(**SMALL | choice).double()
    assert model.config.model_dump(exclude={"elements"}) != plain.model_dump(exclude={"elements"})
    silicon = bulk("Si", cubic=True)
    silicon.rattle(0.1, seed=0)
    silicon.info = {condition.name: 0.5 for condition in model.conditions if condition.name == "temperature"}
    graph = graph_from_structure(silicon, model.cutoff, conditions=model.conditions)
    expected = evaluate(model, graph, ["energies", "forces"])
    energies = expected["energies"] + 100.0 + 0.3
    assert 0.001 < float(energies.std() + energies.mean().abs()) / HEAD.scale < 100  # least where there is no residual
    for form in (TRAINING.form(model), FrozenMace(model, splined=False)):
        found = evaluate(form, graph, ["energies", "forces"])
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, rtol=0, atol=1e-9 * float(value.abs().max()))


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [
        ({"correlation": (2, 2, 2)}, "names 3 layers of 2"),
        ({"correlation": 4}, "correlation=4 with max_l=3: 1 to 3, or 4 up to max_l=2"),
        ({"correlation": 0}, "1 to 3"),
        ({"radial_functions": "splines"}, "'bessel', 'gaussian' or 'chebyshev'"),
        ({"interaction": "dense"}, "'plain', 'residual', 'density'"),
    ],
)
def test_a_design_that_nothing_serves_is_refused(numbers, reason):
    with pytest.raises(ValidationError, match=reason):
        Design(**numbers)


def test_energies_begin_at_the_references_and_deviate_by_the_scale():
    model = designed(channels=32).double()
    silicon = bulk("Si", cubic=True)
    silicon.rattle(0.1, seed=0)
    energies = model(graph_from_structure(silicon, model.cutoff))["energies"].detach() + 100.0 + 0.3
    assert 0.01 < float(energies.std() + energies.mean().abs()) / HEAD.scale < 30


def test_learning_rates_are_relative_to_what_weights_typically_are():
    model = designed()
    groups = TRAINING.groups(model)
    assert sum(len(group.parameters) for group in groups) == len(list(model.parameters()))
    for group in groups:
        for parameter in group.parameters:
            size = float(parameter.detach().square().mean().sqrt())
            assert np.isclose(size, group.size, rtol=1e-3) or size == 0
