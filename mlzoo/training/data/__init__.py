"""Labelled structures: read from files, looked over before training, split."""

from mlzoo.training.data.example import Example
from mlzoo.training.data.examples import Examples, Part
from mlzoo.training.data.keys import Keys
from mlzoo.training.data.looking_over import Finding, Findings, look_over, overlap
from mlzoo.training.data.reading import Dataset, files, read, read_dataset, read_references
from mlzoo.training.data.splitting import InvalidSplit, Split, folds, split

__all__ = [
    "Dataset",
    "Example",
    "Examples",
    "Finding",
    "Findings",
    "InvalidSplit",
    "Keys",
    "Part",
    "Split",
    "files",
    "folds",
    "look_over",
    "overlap",
    "read",
    "read_dataset",
    "read_references",
    "split",
]
