"""Many structures as few evaluations: graphs joined up to a budget of edges, answers cut apart again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mlzoo.errors import PredictionError
from mlzoo.graph import Bonded, Graph, graph_of
from mlzoo.properties import Property

log = logging.getLogger("mlzoo")

Prediction = dict[str, Any]
"""Of one structure: floats and NumPy arrays by property name."""


def answer_in_batches(
    entries: Iterable[Bonded | PredictionError], evaluate: Callable[[Graph], list[Prediction]], max_edges: int
) -> Iterator[Prediction | PredictionError]:
    """One answer for each entry, in order and as they are read; an error stands for itself.

    A batch has at most ``max_edges`` edges, but at least one structure.
    """
    waiting: list[Bonded | PredictionError] = []
    edges = 0
    for entry in entries:
        size = len(entry) if isinstance(entry, Bonded) else 0
        if edges and edges + size > max_edges:
            yield from _answers(waiting, evaluate)
            waiting, edges = [], 0
        waiting.append(entry)
        edges += max(size, 1)
    yield from _answers(waiting, evaluate)


def split(graph: Graph, results: Mapping[str, Tensor], properties: Iterable[Property]) -> list[Prediction]:
    """Results of a joined graph as one dict a structure.

    A stress that is NaN, for want of a volume, is left out, and what only molecules have where a structure is periodic.
    """
    of = {each.name: each for each in properties}
    periodic = graph.pbc.any(dim=1).tolist()
    arrays = {name: value.cpu().numpy() for name, value in results.items()}
    last = np.searchsorted(graph.structure_index.cpu().numpy(), np.arange(1, graph.n_structures))
    pieces = {name: np.split(value, last) if of[name].per == "atom" else value for name, value in arrays.items()}
    answers: list[Prediction] = []
    for structure in range(graph.n_structures):
        answer: Prediction = {}
        for name, values in pieces.items():
            value = values[structure]
            if (name == "stress" and np.isnan(value).all()) or (of[name].molecular and periodic[structure]):
                continue
            answer[name] = float(value) if np.ndim(value) == 0 else np.array(value)
        answers.append(answer)
    return answers


def _answers(
    waiting: list[Bonded | PredictionError], evaluate: Callable[[Graph], list[Prediction]]
) -> Iterator[Prediction | PredictionError]:
    answers = iter(_evaluate_halving([entry for entry in waiting if isinstance(entry, Bonded)], evaluate))
    for entry in waiting:
        yield next(answers) if isinstance(entry, Bonded) else entry


def _evaluate_halving(parts: list[Bonded], evaluate: Callable[[Graph], list[Prediction]]) -> list[Prediction]:
    """Evaluate one batch, in halves where it does not fit into memory."""
    if not parts:
        return []
    try:
        return evaluate(graph_of(parts))
    except RuntimeError as error:
        if len(parts) == 1 or not _is_out_of_memory(error):
            raise
    half = len(parts) // 2
    log.warning(
        "out of memory with %d structures in a batch; going on with %d (predict(..., max_edges=) sets the size)",
        len(parts), half,
    )  # fmt: skip
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return _evaluate_halving(parts[:half], evaluate) + _evaluate_halving(parts[half:], evaluate)


def _is_out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "not enough memory" in str(error)
