"""A faster form of a network answers only after it has given the plain form's numbers on this machine."""

from __future__ import annotations

import logging

from mlzoo.checks import structures_of
from mlzoo.derivatives import evaluate
from mlzoo.graph import bonded, graph_of
from mlzoo.model import EnergyModel, Model

log = logging.getLogger("mlzoo")

LARGEST_DEVIATION = 3e-4  # of the largest value of each property; float32 rounds to a tenth of that at worst


def inference_form(model: Model) -> Model:
    """The model's inference form where it has one and passes; the model itself otherwise, with a word about it."""
    form = model.inference_form()
    if form is None:
        return model
    first = next(model.parameters())
    parts = [bonded(atoms, model.cutoff, conditions=model.conditions) for atoms in structures_of(model)]
    graph = graph_of(parts).to(first.device, first.dtype)
    asked = ["energies", "forces"] if isinstance(model, EnergyModel) else [each.name for each in model.predicts]
    expected, found = evaluate(model, graph, asked), evaluate(form, graph, asked)
    for name in asked:
        deviation = float((found[name] - expected[name]).abs().max() / expected[name].abs().max().clamp(min=1.0))
        if not deviation < LARGEST_DEVIATION:
            log.warning(
                "the faster form (%s) of this model gives other %s here, by %.1e of the largest; its plain form is used. "
                "Please report this with your processor's name.",
                form.kernels, name, deviation,
            )  # fmt: skip
            return model
    return form
