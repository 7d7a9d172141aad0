"""What is minimised: weighted means of the errors of each target, over the labels that are there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from mlzoo.derivatives import evaluate
from mlzoo.model import Model
from mlzoo.structures import SMALLEST_VOLUME
from mlzoo.training.batches import Batch
from mlzoo.training.settings import TargetSettings


@dataclass(frozen=True)
class Errors:
    """Sums over the labels of a target that are there, to be added over batches and ranks."""

    loss: Tensor  # weighted
    count: Tensor  # of numbers, as weighted as the loss
    absolute: Tensor
    square: Tensor
    numbers: Tensor  # unweighted count


class Objective:
    """Losses of all targets. An energy counts for each atom, or for the structure; forces and stress for each component."""

    def __init__(self, targets: Mapping[str, TargetSettings], scales: Mapping[str, float]):
        """``scales``: what errors of a target are measured in, for its loss; one where nothing is said."""
        self.targets, self.scales = targets, scales

    def weight(self, name: str, epoch: int) -> float:
        """Of a target in an epoch."""
        settings, weight = self.targets[name], self.targets[name].weight
        for step in sorted(settings.schedule, key=lambda step: step.epoch):
            weight = step.weight if epoch >= step.epoch else weight
        return weight

    @property
    def last_stage(self) -> int:
        """The epoch from which on no weight changes any more."""
        return max((step.epoch for each in self.targets.values() for step in each.schedule), default=0)

    def errors(self, model: Model, batch: Batch, *, create_graph: bool) -> dict[str, Errors]:
        """Of every target of a batch."""
        asked = ["virial" if name == "stress" else name for name in self.targets]
        found = evaluate(model, batch.graph, asked, create_graph=create_graph)
        if "stress" in self.targets:
            found["stress"] = _stress(found["virial"], batch.graph.cell)
        of_atoms = {each.name for each in model.predicts if each.per == "atom"}
        return {name: self._errors(name, found[name], batch, name in of_atoms) for name in self.targets}

    def loss(
        self, errors: Mapping[str, Errors], epoch: int, count: Callable[[Tensor], Tensor] = lambda own: own
    ) -> Tensor:
        """Sum over targets of weight times mean; ``count`` makes of a rank's own count the one to divide by."""
        terms = [
            self.weight(name, epoch) * each.loss / count(each.count).clamp(min=1e-12) for name, each in errors.items()
        ]
        return torch.stack(terms).sum()

    def _errors(self, name: str, found: Tensor, batch: Batch, of_atoms: bool) -> Errors:
        settings, label = self.targets[name], batch.labels[name]
        error = found.double() - label
        weights = batch.weights
        if of_atoms:
            weights = weights[batch.graph.structure_index]
        if name == "energy" and not settings.per_structure:
            error = error / batch.atoms
        there = torch.isfinite(label)
        error = torch.where(there, error, 0.0)  # a NaN must not reach the gradient
        weight = (weights.reshape(-1, *(1,) * (error.dim() - 1)) * there).expand_as(error)
        scale = self.scales.get(name, 1.0)
        delta = settings.delta / scale * (_grades(label) if settings.loss == "graded_huber" else 1.0)
        return Errors(
            loss=(weight * _penalty(error / scale, settings.loss, delta)).sum(),
            count=weight.sum(),
            absolute=error.detach().abs().sum(),
            square=error.detach().square().sum(),
            numbers=there.sum(),
        )


def _grades(forces: Tensor) -> Tensor:
    """(A, 1) factors on Huber's delta: the larger a reference force, the sooner its errors count linearly.

    Those of mace-torch, by the length of the force in eV/Å.
    """
    bounds, factors = forces.new_tensor((100.0, 200.0, 300.0)), forces.new_tensor((1.0, 0.7, 0.4, 0.1))
    return factors[torch.bucketize(torch.linalg.vector_norm(forces, dim=-1, keepdim=True), bounds, right=True)]


def _penalty(error: Tensor, kind: str, delta: float | Tensor) -> Tensor:
    if kind == "mse":
        return error.square()
    if kind == "mae":
        return error.abs()
    size = error.abs()
    return torch.where(size < delta, 0.5 * size.square(), delta * (size - 0.5 * delta))


def _stress(virial: Tensor, cell: Tensor) -> Tensor:
    """(S, 6) eV/Å³; where a cell has no volume a finite number that no label is compared with, so that gradients stay."""
    volume = torch.linalg.det(cell).abs()[:, None]
    voigt = ((virial + virial.mT) / 2)[:, [0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    return voigt / torch.where(volume > SMALLEST_VOLUME, volume, 1.0)
