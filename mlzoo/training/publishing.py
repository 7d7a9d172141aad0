"""The best weights as a model of ours: with a card, its errors on the validation set, and a page about them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from mlzoo import cards, checks, weights
from mlzoo.cards import Card
from mlzoo.licenses import KNOWN, UNKNOWN
from mlzoo.model import Model
from mlzoo.parity import inference_form
from mlzoo.predictor import Predictor
from mlzoo.training.batches import PreparedSet
from mlzoo.training.evaluation import Evaluation, evaluate
from mlzoo.training.log import FILE, read_log
from mlzoo.training.prepare import Ready
from mlzoo.training.progress import units_of
from mlzoo.training.report import facts_of, html_report
from mlzoo.training.report.words import number, title
from mlzoo.training.settings import TrainSettings

MODEL, REPORT = "model", "report.html"


def publish(ready: Ready, settings: TrainSettings, provenance: Mapping[str, Any], device: torch.device) -> Path:
    """Write the model of ``ready`` and a page about its errors into the output folder; the model's folder is returned."""
    folder = Path(settings.output)
    predictor = _predictor(ready, settings, provenance, device)
    evaluation = evaluate(predictor, (each.example for each in _each(ready.validation)))
    told = _card(predictor.card, settings, evaluation)
    reference = checks.make(predictor.in_float64())
    weights.write(folder / MODEL, predictor.manifest, predictor.model.state_dict(), reference, told)
    page = html_report(
        evaluation,
        facts_of(predictor),
        files=[f"the validation set of {Path(name).name}" for name in provenance.get("data", {})],
        curve=_curve(folder / FILE, units_of(settings.targets, predictor.predicts)),
        heading=f"Training of {settings.name}",
    )
    (folder / REPORT).write_text(page, encoding="utf-8")
    return folder / MODEL


def _curve(file: Path, units: Mapping[str, str]) -> list[dict[str, float]]:
    """Rows of the log with units, without what never changes and the products, which are only for choosing the best."""
    rows = read_log(file)
    told = [name for name in rows[0] if not name.endswith("_prod") and len({row.get(name) for row in rows}) > 1]
    named = {"epoch": "epoch", **{name: name for name in told}}
    if "loss" in named:
        named["loss"] = "validation_loss"
    for target, unit in units.items():
        named |= {name: f"{name} ({unit})" for name in (f"mae_{target}", f"rmse_{target}") if unit and name in named}
    return [{said: row[name] for name, said in named.items() if name in row} for row in rows]


def _each(prepared: PreparedSet) -> Any:
    return (prepared[index] for index in range(len(prepared)))


def _predictor(ready: Ready, settings: TrainSettings, provenance: Mapping[str, Any], device: torch.device) -> Predictor:
    """The trained network, with a card that says what it was trained on."""
    model = ready.model.eval().requires_grad_(False).to(device)
    form: Model = inference_form(model) if device.type == "cpu" else model
    files = ", ".join(Path(name).name for name in provenance.get("data", {}))
    data = f"{len(ready.train)} structures" + (f" of {files}" if files else "")
    card = cards.bare(settings.name, ready.architecture.name, model, KNOWN.get(settings.license, UNKNOWN)).model_copy(
        update={
            **settings.card.model_dump(),
            "summary": f"Trained with mlzoo on {data}.",
            "training_data": data,
            "dtype": settings.dtype,
        }
    )
    manifest = weights.Manifest(
        architecture=ready.architecture.name,
        package="mlzoo",
        version=version("mlzoo"),
        dtype=settings.dtype,
        config=ready.config.model_dump(mode="json"),
        provenance={"source": str(settings.output), "format": "mlzoo", "trained": dict(provenance)},
    )
    here = {"device": str(device), "dtype": settings.dtype}
    return Predictor(model, manifest, settings.name, card, form, here)


def _card(card: Card, settings: TrainSettings, evaluation: Evaluation) -> Card:
    """With its errors in the text."""
    rows = "\n".join(
        f"| {title(name)} | {number(each.mae)} | {number(each.rmse)} | {each.unit} |"
        for name, each in evaluation.errors.items()
    )
    targets = ", ".join(settings.targets)
    text = f"""# {settings.name}

{card.summary} Targets: {targets}. Theory of the labels: {card.theory}. Settings and checksums of the data are in config.json.

Errors on {evaluation.evaluated} structures that it did not learn from, but by which the best epoch was chosen:

| quantity | MAE | RMSE | unit |
|---|---|---|---|
{rows}
"""
    return card.model_copy(update={"text": text})
