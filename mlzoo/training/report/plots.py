"""Plots as PNG pictures that stand in the page itself; matplotlib, which comes with ASE, is loaded when one is drawn."""

from __future__ import annotations

import base64
import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from jaxtyping import Float

from mlzoo.training.report.words import escaped, number, title

LINE, POINTS = "#888888", "#1f5f8b"
TIMES = ("epoch", "step")  # what a learning curve may run along
WHOSE = ("train", "training", "validation", "valid", "val", "test", "mae", "rmse")  # series that share a picture


def parity(quantity: str, pairs: Float[np.ndarray, "K 2"], unit: str, seen: int) -> str:
    """Prediction over reference, as an HTML picture; ``seen``: how many pairs the points stand for."""
    figure, axes = _figure(4.2, 4.0)
    low, high = float(pairs.min()), float(pairs.max())
    room = 0.04 * (high - low) or 1.0
    axes.plot([low - room, high + room], [low - room, high + room], color=LINE, linewidth=1)
    axes.scatter(*pairs.T, s=6 if len(pairs) < 2000 else 3, alpha=0.5 if len(pairs) < 2000 else 0.25,
                 color=POINTS, linewidths=0)  # fmt: skip
    axes.set_xlim(low - room, high + room)
    axes.set_ylim(low - room, high + room)
    axes.set_aspect("equal")
    axes.set_xlabel(_plain(f"reference ({unit})" if unit else "reference"))
    axes.set_ylabel(_plain(f"prediction ({unit})" if unit else "prediction"))
    axes.set_title(_plain(title(quantity)), fontsize=10)
    shown = f"{len(pairs)} points" if seen <= len(pairs) else f"{len(pairs)} of {seen} points, drawn at random"
    return _picture(figure, f"{title(quantity)}: prediction over reference, {shown}")


def learning_curves(curve: Sequence[Mapping[str, Any]]) -> list[str]:
    """HTML pictures of everything in the rows of a learning curve that is a number, over the epoch.

    Rows may hold dicts. Series that differ only in whose they are, train or validation, share a picture; so do MAE and RMSE.
    """
    rows = [_flat(row) for row in curve]
    along = next((name for name in TIMES if all(name in row for row in rows)), "")
    series: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for place, row in enumerate(rows):
        for name, value in row.items():
            if name not in TIMES:
                whose, what = _split(name)
                series[what][whose].append((row.get(along, float(place)), value))
    return [_curves(what, found, along or "row") for what, found in series.items()]


def _curves(what: str, series: Mapping[str, Sequence[tuple[float, float]]], along: str) -> str:
    figure, axes = _figure(4.2, 3.0)
    for whose, points in series.items():
        axes.plot(
            *np.array(points).T, linewidth=1.2, marker="." if len(points) < 30 else None, label=_plain(whose or what)
        )
    if all(value > 0 for points in series.values() for _, value in points):
        axes.set_yscale("log")
    axes.set_xlabel(_plain(along))
    axes.set_title(_plain(what), fontsize=10)
    if len(series) > 1:
        axes.legend(fontsize=8, frameon=False)
    ends = ", ".join(f"{whose or what} ends at {number(points[-1][1])}" for whose, points in series.items())
    return _picture(figure, f"{what}: {ends}")


def _flat(row: Mapping[str, Any], before: str = "") -> dict[str, float]:
    flat: dict[str, float] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{before}{name} ")
        elif isinstance(value, int | float | np.number) and not isinstance(value, bool) and math.isfinite(value):
            flat[f"{before}{name}"] = float(value)
    return flat


def _split(name: str) -> tuple[str, str]:
    """Whose a series is, and what it is of.

    >>> _split("validation_energy_mae"), _split("train loss"), _split("learning_rate"), _split("mae forces (eV/Å)")
    (('validation', 'energy mae'), ('train', 'loss'), ('', 'learning rate'), ('mae', 'forces (eV/Å)'))
    """
    found = re.fullmatch(rf"({'|'.join(WHOSE)})[ _./](.+)", name)
    whose, what = found.groups() if found else ("", name)
    return whose, what.replace("_", " ")


def _figure(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.tick_params(labelsize=8)
    return figure, axes


def _plain(text: str) -> str:
    """Text in which matplotlib sees no formula."""
    return text.replace("$", r"\$")


def _picture(figure: Any, words: str) -> str:
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    said = escaped(words)
    return f'<figure><img alt="{said}" src="data:image/png;base64,{data}"><figcaption>{said}</figcaption></figure>'
