"""The numbers that a weight carries hold for the structures and conditions they were made with."""

import json

import pytest
import torch

from mlzoo import checks
from mlzoo.conditions import Condition
from mlzoo.model import EnergyModel
from mlzoo.testing.subject import predictor_of


class Charged(EnergyModel):
    """An energy for each atom that is the charge, which must be given, plus what its edges say."""

    cutoff = 4.0
    elements = (6, 8)
    conditions = (Condition("charge"),)

    def __init__(self):
        super().__init__()
        self.strength = torch.nn.Parameter(torch.tensor(1.0))

    def forward(self, graph):
        edges = torch.exp(-graph.edges.lengths) * self.strength
        energies = edges.new_zeros(graph.n_atoms).index_add(0, graph.edges.receivers, edges)
        return {"energies": energies + graph.conditions["charge"][graph.structure_index]}


def test_a_model_gives_its_own_numbers_again():
    predictor = predictor_of(Charged(), torch.float64)
    written = json.loads(json.dumps(checks.make(predictor)))
    found = checks.compare(predictor, written)
    assert {each.name for each in found} == {each.name for each in predictor.model.predicts}
    assert max(each.largest for each in found) == 0


def test_conditions_are_part_of_a_check():
    predictor = predictor_of(Charged(), torch.float64)
    written = checks.make(predictor)
    for check in written["checks"]:
        check["conditions"]["charge"] += 0.5
    largest = {each.name: each.largest for each in checks.compare(predictor, written)}
    assert largest["energies"] == pytest.approx(0.5)


def test_another_model_deviates():
    written = checks.make(predictor_of(Charged(), torch.float64))
    other = Charged()
    torch.nn.init.constant_(other.strength, 1.1)
    failed = [each.name for each in checks.compare(predictor_of(other, torch.float64), written) if not each.holds]
    assert {"energy", "forces", "stress"} <= set(failed)


def test_a_prediction_that_is_not_a_number_does_not_hold():
    predictor = predictor_of(Charged(), torch.float64)
    written = checks.make(predictor)
    torch.nn.init.constant_(predictor.model.strength, float("nan"))
    assert not any(each.holds for each in checks.compare(predictor, written))
