"""What a reader wants to know of a model before its errors: the card's facts, and how it was run here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mlzoo.cards import Card

if TYPE_CHECKING:
    from mlzoo.committees import Committee
    from mlzoo.predictor import Predictor


def facts_of(predictor: Predictor | Committee) -> dict[str, str]:
    """By name, in the order in which they are read; values are plain text."""
    card = getattr(predictor, "card", None)
    provenance = predictor.provenance
    facts = {"name": predictor.name}
    if isinstance(card, Card):
        facts |= _of_card(card)
    for key in ("device", "dtype", "kernels"):
        if key in provenance:
            facts[key] = str(provenance[key])
    return facts


def said(value: Any) -> str:
    """A value of a provenance as one line of text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _of_card(card: Card) -> dict[str, str]:
    terms = card.terms
    use = {True: "yes", False: "no", None: "not known"}[terms.commercial_use]
    return {
        "summary": card.summary,
        "architecture": card.architecture,
        "predicts": ", ".join(f"{name} ({unit})" if unit else name for name, unit in card.predicts.items()),
        "elements": " ".join(card.elements) if len(card.elements) <= 20 else f"{len(card.elements)} elements",
        "theory": card.theory,
        "training data": card.training_data,
        "licence": f"{terms.name}; commercial use: {use}; obliges to this: {terms.obliges}",
    }
