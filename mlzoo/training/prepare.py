"""From settings and data to a network that can begin to learn."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import BaseModel, ValidationError

from mlzoo import registry
from mlzoo.errors import InvalidTraining, MlzooError
from mlzoo.graph import bonded
from mlzoo.model import Model
from mlzoo.plugin import Architecture
from mlzoo.training import statistics
from mlzoo.training.batches import Prepared, PreparedSet
from mlzoo.training.data import Example
from mlzoo.training.objective import Objective
from mlzoo.training.settings import TrainSettings
from mlzoo.training.statistics import Statistics

log = logging.getLogger("mlzoo")

DERIVED = ("energy", "forces", "stress")


@dataclass(frozen=True)
class Ready:
    """All that a run needs."""

    architecture: Architecture
    config: BaseModel
    model: Model
    objective: Objective
    train: PreparedSet
    validation: PreparedSet


def prepare(
    settings: TrainSettings, train: Sequence[Example], validation: Sequence[Example], isolated: Mapping[int, float]
) -> Ready:
    """Statistics, network, baselines and neighbour lists. Raises :class:`InvalidTraining` for what does not fit."""
    torch.manual_seed(settings.seed)
    architecture = registry.architecture(settings.model.architecture)
    scalars = [name for name in settings.targets if name not in DERIVED]
    references = _references(settings, train, isolated)
    rough = Statistics.of(train, references, 1.0, scalars)
    config = _config(architecture, settings, rough)
    model = architecture.build(config)
    prepared, checked = (_prepared(model, examples) for examples in (train, validation))

    edges, atoms = (
        sum(len(each.part) for each in prepared),
        sum(len(each.part.structure.positions) for each in prepared),
    )
    known = Statistics.of(train, references, max(edges / atoms, 1.0), scalars)
    config = _config(architecture, settings, known)
    torch.manual_seed(settings.seed)
    model = architecture.build(config)
    architecture.training.prepare(model, known)
    predicted = {prediction.name for prediction in model.predicts}
    for name in settings.targets:
        if name not in predicted:
            raise InvalidTraining(f"targets.{name}: {architecture.name} predicts {', '.join(sorted(predicted))}.")
    model = model.to(getattr(torch, settings.dtype))
    scales = {name: known.targets[name][1] for name in scalars}
    targets = list(settings.targets)
    return Ready(
        architecture, config, model, Objective(settings.targets, scales), PreparedSet(prepared, targets),
        PreparedSet(checked, targets),
    )  # fmt: skip


def _references(settings: TrainSettings, train: Sequence[Example], isolated: Mapping[int, float]) -> dict[int, float]:
    elements = statistics.elements_of(train)
    kind = settings.data.references
    if kind == "none" or "energy" not in settings.targets:
        return dict.fromkeys(elements, 0.0)
    if kind == "least_squares":
        return statistics.least_squares(train)
    if kind == "given":
        return statistics.complete(
            statistics.given(settings.data.reference_energies), elements, "data.reference_energies"
        )
    return statistics.complete(isolated, elements, "the data (frames of config_type IsolatedAtom)")


def _config(architecture: Architecture, settings: TrainSettings, known: Statistics) -> BaseModel:
    fields: Mapping[str, Any] = architecture.training.complete(settings.model.config, known)
    try:
        return architecture.config.model_validate(fields)
    except ValidationError as error:
        raise InvalidTraining(f"model.config is none of {architecture.name}: {error}") from error


def _prepared(model: Model, examples: Sequence[Example]) -> list[Prepared]:
    """Neighbour lists of all examples. Raises :class:`InvalidTraining` with the structure that has none."""
    prepared = []
    for example in examples:
        try:
            part = bonded(
                example.structure, model.cutoff, long_range_cutoff=model.long_range_cutoff, conditions=model.conditions
            )
        except MlzooError as error:
            raise InvalidTraining(f"{example.source}: {error}") from error
        if model.needs_edges and not len(part):
            log.warning(
                "%s is left out: no two of its atoms are within %s Å of each other", example.source, model.cutoff
            )
            continue
        prepared.append(Prepared(part, example))
    if not prepared:
        raise InvalidTraining("there is no structure to learn from or to validate with. Look at data.")
    return prepared
