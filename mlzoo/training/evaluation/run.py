"""A model on labelled structures, as many as there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from mlzoo.errors import PredictionError, UnsupportedProperty
from mlzoo.training.data import Example
from mlzoo.training.evaluation.alignment import CHOICES, Align
from mlzoo.training.evaluation.comparison import Comparison
from mlzoo.training.evaluation.result import Evaluation, Failure

if TYPE_CHECKING:
    from mlzoo.committees import Committee
    from mlzoo.predictor import Predictor

T = TypeVar("T")

AT_ONCE = 1000  # structures whose labels say together what the model is asked for


def evaluate(
    predictor: Predictor | Committee,
    examples: Iterable[Example | Failure],
    *,
    align: Align = "none",
    conditions: Mapping[str, Any] | None = None,
    plotted: int = 20_000,
    worst: int = 10,
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Errors of every label that the model predicts, over all ``examples``, which are read as they are needed.

    A structure that fails is named among the failures and adds nothing to the errors; a :class:`Failure` in the place of
    an example stands for itself. ``align`` shifts the model's energies where the data have another zero: by the same
    an atom ("mean") or by element ("composition"), the shift fitted to these structures. ``conditions`` go before
    what the structures carry. Of each quantity, ``plotted`` pairs and the ``worst`` structures are kept. ``progress`` is
    told how many structures are done.

    Raises :class:`UnsupportedProperty` where no structure has a label that the model predicts, or ``align`` is given and
    no energy is compared.
    """
    if align not in CHOICES:
        raise ValueError(f"align={align!r} is not known. Use one of {', '.join(CHOICES)}.")
    conditions = dict(conditions or {})
    predicts = {each.name: each for each in predictor.predicts}
    comparison = Comparison(predicts, plotted, worst)
    failures: list[Failure] = []
    labels_seen: set[str] = set()
    structures = unlabelled = 0
    for chunk in _chunks(examples, AT_ONCE):
        for entry, answer in _answered(predictor, chunk, predicts, conditions):
            structures += 1
            labels_seen |= _labels(entry)
            if isinstance(answer, Failure):
                failures.append(answer)
            elif isinstance(entry, Example) and answer is None:
                unlabelled += 1
            elif isinstance(entry, Example) and answer is not None:
                if reason := comparison.problem(entry, answer):
                    failures.append(Failure(entry.source, "InvalidStructure", reason))
                else:
                    comparison.add(entry, answer)
            if progress is not None:
                progress(structures)
    if structures > len(failures) and not labels_seen & predicts.keys():
        raise UnsupportedProperty(_nothing_to_compare(predictor.name, labels_seen, list(predicts)))
    results = comparison.results(align)
    if align != "none" and "energy" not in results["errors"] and comparison.structures:
        raise UnsupportedProperty(f"align={align!r} shifts energies, and here no energy is compared. Leave it out.")
    return Evaluation(
        model=predictor.provenance,
        conditions=conditions,
        structures=structures,
        evaluated=comparison.structures,
        atoms=comparison.atoms,
        unlabelled=unlabelled,
        unanswered=dict(comparison.unanswered),
        failures=tuple(failures),
        **results,
    )


Answer = Mapping[str, Any] | Failure | None
"""What the model says; why it says nothing; None where it was not asked."""


def _answered(
    predictor: Predictor | Committee,
    chunk: list[Example | Failure],
    predicts: Mapping[str, Any],
    conditions: Mapping[str, Any],
) -> Iterator[tuple[Example | Failure, Answer]]:
    """Each entry with its answer, in order; the model is asked for those labels only that somebody has."""
    asked = [entry for entry in chunk if isinstance(entry, Example) and _labels(entry) & predicts.keys()]
    names = [name for name in predicts if any(name in _labels(example) for example in asked)]
    answers: Iterator[Any] = iter(())
    if asked:
        structures = (example.structure for example in asked)
        answers = iter(predictor.predict(structures, names, on_error="keep", **conditions))
    for entry in chunk:
        if isinstance(entry, Failure):
            yield entry, entry
        elif not _labels(entry) & predicts.keys():
            yield entry, None
        else:
            answer = next(answers)
            if isinstance(answer, PredictionError):
                yield entry, Failure(entry.source, type(answer.reason).__name__, str(answer.reason))
            else:
                yield entry, answer


def _labels(entry: Example | Failure) -> set[str]:
    """Names of the labels that are there: with at least one number in them."""
    if isinstance(entry, Failure):
        return set()
    return {name for name, label in entry.labels.items() if np.isfinite(label).any()}


def _chunks(entries: Iterable[T], size: int) -> Iterator[list[T]]:
    each = iter(entries)
    while chunk := list(islice(each, size)):
        yield chunk


def _nothing_to_compare(model: str, labels: set[str], predicts: list[str]) -> str:
    carried = f"they have {', '.join(sorted(labels))}" if labels else "they have none"
    return (
        f"the structures have no labels that the model predicts: {carried}, and {model} predicts {', '.join(predicts)}. "
        "Say under which key a label stands, --key energy=REF_energy for example."
    )
