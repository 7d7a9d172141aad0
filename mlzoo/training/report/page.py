"""The page: one HTML file that needs no other, no network and no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from mlzoo.training.evaluation import Evaluation
from mlzoo.training.report import sections
from mlzoo.training.report.words import escaped

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; } h3 { font-size: 1rem; }
table { border-collapse: collapse; } .wide { overflow-x: auto; }
th, td { text-align: left; padding: 0.2rem 0.8rem 0.2rem 0; border-bottom: 1px solid #ddd; vertical-align: top; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.loud { border-left: 4px solid #c60; padding: 0.4rem 0.8rem; background: #fff4e5; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; } figure { margin: 0; max-width: 100%; } img { max-width: 100%; }
figure { width: 26rem; } figcaption, ul, footer { color: #555; font-size: 0.85rem; }
"""

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""What a browser lets the page do: show itself."""


def html_report(
    evaluation: Evaluation,
    facts: Mapping[str, str],
    *,
    files: Sequence[str] = (),
    curve: Sequence[Mapping[str, Any]] = (),
    heading: str | None = None,
) -> str:
    """The evaluation of a model as a page.

    ``facts`` are those of :func:`facts_of`. ``curve``: rows of a learning curve, dicts with an ``epoch`` or ``step`` and
    numbers, such as ``{"epoch": 1, "train_loss": 0.3, "validation_loss": 0.4}``.
    """
    name = escaped(heading or f"Errors of {facts.get('name', 'a model')}")
    parts = (
        sections.model(facts, evaluation),
        sections.data(evaluation, files),
        sections.errors(evaluation),
        sections.failures(evaluation),
        sections.plots(evaluation),
        sections.groups(evaluation),
        sections.elements(evaluation),
        sections.worst(evaluation),
        sections.curves(curve),
    )
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    body = "\n".join(part for part in parts if part)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{name}</h1>
{body}
<footer><p>Made by mlzoo {escaped(version("mlzoo"))}, {made}.</p></footer>
</body>
</html>
"""
