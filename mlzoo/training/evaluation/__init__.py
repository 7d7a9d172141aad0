"""Errors of a model on labelled structures.

examples ──► run ──► comparison ──► numbers (one a structure), arrays (components) ──► result
"""

from mlzoo.training.evaluation.alignment import CHOICES, Align, Alignment
from mlzoo.training.evaluation.errors_of import ErrorsOf
from mlzoo.training.evaluation.result import DEFINITIONS, Evaluation, Failure, Worst
from mlzoo.training.evaluation.run import evaluate

__all__ = ["CHOICES", "DEFINITIONS", "Align", "Alignment", "ErrorsOf", "Evaluation", "Failure", "Worst", "evaluate"]
