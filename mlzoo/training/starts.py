"""Weights to begin with: those of another model, as far as they fit."""

from __future__ import annotations

import logging

import torch

from mlzoo import elements, zoo
from mlzoo.errors import InvalidTraining
from mlzoo.model import Model
from mlzoo.plugin import Architecture
from mlzoo.predictor import Predictor
from mlzoo.training.statistics import Statistics

log = logging.getLogger("mlzoo")


def start(name: str, architecture: Architecture, known: Statistics) -> Predictor:
    """The model to begin with. Raises :class:`InvalidTraining` where it is another kind, or lacks elements of the data."""
    found = zoo.load(name, device="cpu", exact=True)
    if found.manifest.architecture != architecture.name:
        raise InvalidTraining(
            f"model.start_from: {name} is a {found.manifest.architecture}, and model.architecture is {architecture.name}."
        )
    if missing := set(known.elements) - set(found.model.elements):
        raise InvalidTraining(
            f"model.start_from: {name} does not know {', '.join(elements.symbols(sorted(missing)))}, which the "
            "data contain. Begin with a model that does, or with none."
        )
    return found


def take(model: Model, found: Predictor) -> None:
    """Every tensor of the same name and shape; what is left as it was by lot is told.

    Raises :class:`InvalidTraining` where none fits.
    """
    theirs, ours = found.model.state_dict(), model.state_dict()
    fitting = {name for name, tensor in theirs.items() if name in ours and ours[name].shape == tensor.shape}
    if not fitting:
        raise InvalidTraining(f"model.start_from: no tensor of {found.name} fits this network. Leave out model.config.")
    with torch.no_grad():
        for name in fitting:
            ours[name].copy_(theirs[name])
    if rest := sorted(set(ours) - fitting):
        log.warning("%d tensors of %s do not fit and begin by lot: %s", len(rest), found.name, ", ".join(rest))
