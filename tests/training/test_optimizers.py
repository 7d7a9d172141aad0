"""The learning rate of each epoch."""

import math

import pytest
import torch

from mlzoo.plugin import ParameterGroup
from mlzoo.training.optimizers import optimizer, schedule
from mlzoo.training.settings import OptimizerSettings, ScheduleSettings


def rates(losses, **said):
    """Of two groups, the second ten times the size of the first; the ratio must stay."""
    groups = [ParameterGroup([torch.nn.Parameter(torch.zeros(1))], size) for size in (1.0, 10.0)]
    adam = optimizer(groups, OptimizerSettings(learning_rate=0.1), 0)
    made = schedule(adam, ScheduleSettings(**said), len(losses), "loss")["scheduler"]
    found = []
    for loss in losses:
        small, large = (group["lr"] for group in adam.param_groups)
        assert large == pytest.approx(10 * small)
        found.append(small / 0.1)
        adam.step()
        made.step(*([loss] if said["lr_scheduler"] == "plateau" else []))
    return pytest.approx(found)


FALLING = [1 / (n + 1) for n in range(8)]


@pytest.mark.parametrize("kind", ["constant", "plateau"])
def test_it_rises_in_the_warm_up_and_falls_at_the_steps(kind):
    steps = ({"epoch": 4, "factor": 0.1}, {"epoch": 6, "factor": 0.5})
    assert rates(FALLING, lr_scheduler=kind, warmup=2, steps=steps) == [1 / 3, 2 / 3, 1, 1, 0.1, 0.1, 0.05, 0.05]


def test_it_falls_where_the_loss_does_not():
    assert rates([5, 4, 4, 4, 4, 3], lr_scheduler="plateau", patience=1, factor=0.5) == [1, 1, 1, 1, 0.5, 0.5]
    assert rates([4, 4, 4, 4, 4], lr_scheduler="plateau", patience=0, factor=0.5, warmup=1) == [0.5, 1, 1, 0.5, 0.25]


def test_exponential_and_cosine():
    assert rates(FALLING[:4], lr_scheduler="exponential", gamma=0.5) == [1, 0.5, 0.25, 0.125]
    assert rates(FALLING[:4], lr_scheduler="cosine") == [0.5 * (1 + math.cos(math.pi * n / 4)) for n in range(4)]
