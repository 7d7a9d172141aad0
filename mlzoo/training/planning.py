"""What a run would do, before it does it."""

from __future__ import annotations

from mlzoo.elements import symbols
from mlzoo.errors import InvalidTraining
from mlzoo.training.batches import EdgeBudget, PreparedSet
from mlzoo.training.prepare import Ready
from mlzoo.training.settings import TrainSettings


def batches(
    dataset: PreparedSet, settings: TrainSettings, *, rank: int = 0, ranks: int = 1, learn: bool = True
) -> EdgeBudget:
    """Which structures stand together; in an order of its own each epoch where they are learned from.

    Raises :class:`InvalidTraining` where there are not enough for each rank to have one.
    """
    said = settings.data
    seed = settings.seed if learn and said.shuffle else None
    found = EdgeBudget(dataset.edges, said.max_edges, said.batch_size, seed, rank, ranks)
    if not len(found):
        raise InvalidTraining(
            f"{len(dataset)} structures make fewer batches than there are ranks, {ranks} (devices × num_nodes). Make "
            "data.batch_size or the number of ranks smaller."
        )
    return found


def plan(ready: Ready, settings: TrainSettings) -> dict[str, str]:
    """What there is, and how long it is, in words. Raises as training would."""
    ranks = settings.devices * settings.num_nodes
    an_epoch = len(batches(ready.train, settings, ranks=ranks))
    stages = {step.epoch for target in settings.targets.values() for step in target.schedule}
    stages |= {step.epoch for step in settings.schedule.steps}
    weights = "; ".join(
        f"from epoch {epoch}: "
        + ", ".join(f"{name} {ready.objective.weight(name, epoch):g}" for name in settings.targets)
        for epoch in sorted({0, *stages})
    )
    return {
        "model": f"{ready.architecture.name}, {sum(each.numel() for each in ready.model.parameters()):,} parameters",
        "elements": " ".join(symbols(ready.model.elements)),
        "learned from": f"{len(ready.train)} structures, {sum(ready.train.edges):,} edges",
        "validated with": f"{len(ready.validation)} structures, {sum(ready.validation.edges):,} edges",
        "ranks": f"{ranks}: {settings.devices} a node on {settings.num_nodes}",
        "batches an epoch": f"{an_epoch} a rank; at most {settings.data.batch_size} structures, {settings.data.max_edges} edges",
        "epochs": f"{settings.num_epochs}, about {an_epoch * settings.num_epochs:,} steps",
        "weights": weights,
        "output": settings.output,
    }
