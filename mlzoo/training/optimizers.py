"""How weights follow the gradient: Adam and its kin, and how the learning rate changes with the epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from mlzoo.errors import MissingPackage
from mlzoo.plugin import ParameterGroup
from mlzoo.training.settings import OptimizerSettings, ScheduleSettings
from mlzoo.training.soap import SOAP

EPS = 1e-8  # of Adam, for entries of size one


def optimizer(groups: Sequence[ParameterGroup], said: OptimizerSettings, warmup: int) -> torch.optim.Optimizer:
    """With a learning rate for each group that is relative to the size of its entries.

    The same as with entries of size one that are multiplied by their size in the network. ``warmup`` steps are for the
    schedule-free optimizer, which has no other schedule. Raises :class:`MissingPackage` where it is not installed.
    """
    coupled = said.optimizer == "adam"  # the decay goes through the gradient
    options: list[Mapping[str, Any]] = [
        {
            "params": list(group.parameters),
            "lr": said.learning_rate * group.size,
            "eps": EPS / group.size,
            "weight_decay": said.weight_decay / (group.size**2 if coupled else group.size),
        }
        for group in groups
    ]
    if said.optimizer == "schedulefree":
        try:
            from schedulefree import AdamWScheduleFree
        except ImportError as error:
            raise MissingPackage("optimizer: schedulefree needs its package: pip install mlzoo[train]") from error
        return AdamWScheduleFree(options, betas=said.beta, warmup_steps=warmup)
    if said.optimizer == "soap":
        return SOAP(options, betas=said.beta)
    kind = torch.optim.Adam if coupled else torch.optim.AdamW
    return kind(options, betas=said.beta, amsgrad=said.amsgrad)  # type: ignore[arg-type]


def learning_rate(optimizer: torch.optim.Optimizer) -> float:
    """As it is now, for entries of size one."""
    group = optimizer.param_groups[0]
    return float(group["lr"] * (group["eps"] / EPS))


def schedule(optimizer: torch.optim.Optimizer, said: ScheduleSettings, num_epochs: int, metric: str) -> Any:
    """In Lightning's words: a factor for each epoch, or one that falls with what ``metric`` does."""
    if said.lr_scheduler == "plateau":
        return {"scheduler": Plateau(optimizer, said), "monitor": metric, "interval": "epoch"}

    def factor(epoch: int) -> float:
        found = said.rise(epoch) * math.prod(step.factor for step in said.steps if step.epoch <= epoch)
        if said.lr_scheduler == "exponential":
            return found * said.gamma**epoch
        if said.lr_scheduler == "cosine":
            return found * 0.5 * (1 + math.cos(math.pi * min(epoch / num_epochs, 1.0)))
        return found

    return {"scheduler": LambdaLR(optimizer, factor), "interval": "epoch"}


class Plateau(ReduceLROnPlateau):
    """Rises in the epochs of the warm-up, and later falls where the metric does not, and by the steps."""

    def __init__(self, optimizer: torch.optim.Optimizer, said: ScheduleSettings):
        super().__init__(optimizer, factor=said.factor, patience=said.patience)
        self._full = [group["lr"] for group in optimizer.param_groups]
        self._rising = [said.rise(epoch) for epoch in range(said.warmup + 1)]
        self._steps = {step.epoch: step.factor for step in said.steps}
        self._rise()

    def step(self, metrics: Any, epoch: Any = None) -> None:  # type: ignore[override]
        if self.last_epoch + 1 < len(self._rising):
            self.last_epoch += 1
            self._rise()
        else:
            super().step(metrics)
        for group in self.optimizer.param_groups:
            group["lr"] *= self._steps.get(self.last_epoch, 1.0)

    def _rise(self) -> None:
        for group, full in zip(self.optimizer.param_groups, self._full, strict=True):
            group["lr"] = full * self._rising[self.last_epoch]
