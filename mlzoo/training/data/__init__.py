"""Labelled structures: read from files, looked over before training, split."""

from mlzoo.training.data.example import Example

__all__ = ["Example"]
