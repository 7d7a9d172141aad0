"""The parts of the page: HTML made of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlzoo.training.evaluation import DEFINITIONS, ErrorsOf, Evaluation
from mlzoo.training.report.facts import said
from mlzoo.training.report.plots import learning_curves, parity
from mlzoo.training.report.words import escaped, number, table, title

FIRST = 100  # failures that are named one by one
COLUMNS = ("unit", "pairs", "MAE", "RMSE", "largest", "bias", "spread", "R²")


def model(facts: Mapping[str, str], evaluation: Evaluation) -> str:
    conditions = {f"given: {name}": said(value) for name, value in evaluation.conditions.items()}
    origin = {name: said(value) for name, value in evaluation.model.items()}
    rows = table(("provenance", ""), list(origin.items()), text=2)
    return (
        f"<h2>Model</h2>\n{table(('', ''), list({**facts, **conditions}.items()), text=2)}"
        f"\n<details><summary>Where the weight came from</summary>\n{rows}</details>"
    )


def data(evaluation: Evaluation, files: Sequence[str]) -> str:
    rows = [
        ("files", ", ".join(files) or "not stated"),
        ("structures read", str(evaluation.structures)),
        ("structures compared", f"{evaluation.evaluated}, with {evaluation.atoms} atoms"),
        ("without a label that the model predicts", str(evaluation.unlabelled)),
        ("failed", str(len(evaluation.failures))),
    ]
    rows += [(f"{title(name)} without a prediction", str(count)) for name, count in evaluation.unanswered.items()]
    return f"<h2>Data</h2>\n{table(('', ''), rows, text=2)}"


def errors(evaluation: Evaluation) -> str:
    alignment = f'<p class="loud">{escaped(f"Note: {evaluation.alignment}")}</p>\n' if evaluation.alignment else ""
    if not evaluation.errors:
        return "<h2>Errors</h2>\n<p>Nothing could be compared.</p>"
    rows = [(title(quantity), *row(each)) for quantity, each in evaluation.errors.items()]
    meant = "".join(f"<li>{escaped(sentence)}</li>" for sentence in DEFINITIONS)
    return f"<h2>Errors</h2>\n{alignment}{table(('quantity', *COLUMNS), rows, text=2)}\n<ul>{meant}</ul>"


def plots(evaluation: Evaluation) -> str:
    found = [
        parity(quantity, pairs, evaluation.errors[quantity].unit, evaluation.errors[quantity].count)
        for quantity, pairs in evaluation.pairs.items()
        if len(pairs)
    ]
    return f'<h2>Prediction over reference</h2>\n<div class="plots">{"".join(found)}</div>' if found else ""


def groups(evaluation: Evaluation) -> str:
    return _nested("By group", "group", evaluation.by_group)


def elements(evaluation: Evaluation) -> str:
    parts = {f"{title(name)}": found for name, found in evaluation.by_element.items()}
    return "\n".join(
        f"<h2>By element: {escaped(name)}</h2>\n"
        + table(("element", *COLUMNS), [(symbol, *row(each)) for symbol, each in found.items()], text=2)
        for name, found in parts.items()
    )


def worst(evaluation: Evaluation) -> str:
    parts = []
    for quantity, found in evaluation.worst.items():
        unit = evaluation.errors[quantity].unit
        rows = [
            (
                each.source or "–",
                each.formula,
                each.group,
                *(number(x) for x in (each.error, each.reference, each.prediction)),
            )
            for each in found
        ]
        titles = ("source", "formula", "group", f"error ({unit})" if unit else "error", "reference", "prediction")
        parts.append(f"<h3>{escaped(title(quantity))}</h3>\n{table(titles, rows, text=3)}")
    note = "<p>By absolute error; of forces and other arrays by that of their worst component.</p>"
    return f"<h2>Largest errors</h2>\n{note}\n" + "\n".join(parts) if parts else ""


def failures(evaluation: Evaluation) -> str:
    found = evaluation.failures
    if not found:
        return ""
    rows = [(each.source or "–", each.kind, each.reason) for each in found[:FIRST]]
    more = f"<p>... and {len(found) - FIRST} more.</p>" if len(found) > FIRST else ""
    return f"<h2>Failed: {len(found)}</h2>\n{table(('source', 'error', 'reason'), rows, text=3)}\n{more}"


def curves(curve: Sequence[Mapping[str, Any]]) -> str:
    return f'<h2>Learning curves</h2>\n<div class="plots">{"".join(learning_curves(curve))}</div>' if curve else ""


def row(errors: ErrorsOf) -> tuple[str, ...]:
    """One line of a table, below ``COLUMNS``."""
    values = (errors.mae, errors.rmse, errors.largest, errors.bias, errors.spread, errors.r2)
    return (errors.unit, str(errors.count), *map(number, values))


def _nested(heading: str, first: str, found: Mapping[str, Mapping[str, ErrorsOf]]) -> str:
    if not found:
        return ""
    rows = [(name, title(quantity), *row(each)) for name, errors in found.items() for quantity, each in errors.items()]
    return f"<h2>{heading}</h2>\n{table((first, 'quantity', *COLUMNS), rows, text=3)}"
