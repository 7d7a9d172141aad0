"""A MACE from a few numbers: what every architecture has to do, and weights of the size that they are meant to have."""

import numpy as np
import pytest
import torch
from ase.build import bulk

from mlzoo.graph import graph_from_structure
from mlzoo.testing import ArchitectureContract
from mlzoo.training.statistics import Head, Statistics
from mlzoo_mace import build
from mlzoo_mace.config import MaceConfig
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
