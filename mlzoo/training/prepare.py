"""From settings and data to a network that can begin to learn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from pydantic import BaseModel, ValidationError

from mlzoo import registry
from mlzoo.errors import InvalidTraining
from mlzoo.model import Model
from mlzoo.plugin import Architecture
from mlzoo.training import statistics
from mlzoo.training.batches import PreparedSet
from mlzoo.training.compositions import Compositions
from mlzoo.training.data.example import HEAD
from mlzoo.training.gathering import Gathered
from mlzoo.training.objective import Objective
from mlzoo.training.prepared import Bonding, Per, prepare_examples
from mlzoo.training.settings import TrainSettings
from mlzoo.training.starts import start, take
from mlzoo.training.statistics import References, Statistics

DERIVED = ("energy", "energies", "forces", "stress")


@dataclass(frozen=True)
class Ready:
    """All that a run needs."""

    architecture: Architecture
    config: BaseModel
    model: Model
    objective: Objective
    train: PreparedSet
    validation: PreparedSet


def prepare(settings: TrainSettings, data: Gathered) -> Ready:
    """Statistics, network, neighbour lists and baselines. Raises :class:`InvalidTraining` for what does not fit."""
    architecture = registry.architecture(settings.model.architecture)
    heads = tuple(settings.data.heads) or (HEAD,)
    if len(heads) > 1 and not architecture.training.heads:
        raise InvalidTraining(
            f"data.heads names {', '.join(heads)}, and {architecture.name} has no heads: train one model for each."
        )
    scalars = [name for name in settings.targets if name not in DERIVED]
    known = statistics.survey(data.train, heads, _references(settings, data.references), scalars)
    known = _with_given_scales(known, settings)
    begun = start(settings.model.start_from, architecture, known) if settings.model.start_from else None
    carried = architecture.training.carry(begun.manifest.config) if begun else {}
    config = _config(architecture, settings, known, carried)
    torch.manual_seed(settings.seed)
    model = architecture.build(config)
    targets = _targets(architecture, model, settings)
    train, validation = (
        prepare_examples(examples, Bonding.of(model), targets) for examples in (data.train, data.validation)
    )
    known = replace(known, mean_neighbours=max(sum(train.edges) / train.atoms, 1.0))
    if begun is None:
        architecture.training.prepare(model, known)
    model = model.to(getattr(torch, settings.dtype))
    if begun is not None:
        take(model, begun)
    scales = {name: known.targets[name][1] for name in scalars}
    return Ready(
        architecture, config, model, Objective(settings.targets, scales), PreparedSet(train, targets),
        PreparedSet(validation, targets),
    )  # fmt: skip


def _with_given_scales(known: Statistics, settings: TrainSettings) -> Statistics:
    """Those of the data where nothing is said."""
    given = {name: target.scale for name, target in settings.targets.items() if target.scale is not None}
    heads = {name: replace(head, scale=given.get("energy", head.scale)) for name, head in known.heads.items()}
    targets = {name: (mean, given.get(name, deviation)) for name, (mean, deviation) in known.targets.items()}
    return replace(known, heads=heads, targets=targets)


def _targets(architecture: Architecture, model: Model, settings: TrainSettings) -> dict[str, Per]:
    predicted = {prediction.name: prediction.per for prediction in model.predicts}
    for name in settings.targets:
        if name not in predicted:
            raise InvalidTraining(f"targets.{name}: {architecture.name} predicts {', '.join(sorted(predicted))}.")
    return {name: predicted[name] for name in settings.targets}


def _references(settings: TrainSettings, isolated: Mapping[str, Mapping[int, float]]) -> References:
    def of(head: str, known: Compositions) -> Mapping[int, float]:
        kind, energies = settings.data.references_of(head)
        if kind == "none" or "energy" not in settings.targets:
            return {}
        if kind == "least_squares":
            return statistics.least_squares(head, known)
        of_head = "" if head == HEAD else f" of head {head}"
        if kind == "given":
            return statistics.complete(statistics.given(energies), known.elements, f"reference_energies{of_head}")
        where = f"the data{of_head} (frames of config_type IsolatedAtom)"
        return statistics.complete(isolated.get(head, {}), known.elements, where)

    return of


def _config(
    architecture: Architecture, settings: TrainSettings, known: Statistics, carried: Mapping[str, Any]
) -> BaseModel:
    fields = architecture.training.complete({**carried, **settings.model.config}, known)
    try:
        return architecture.config.model_validate(fields)
    except ValidationError as error:
        raise InvalidTraining(f"model.config is none of {architecture.name}: {error}") from error
