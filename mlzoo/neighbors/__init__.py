"""Neighbour lists: complete, directed and exact for every periodicity, in NumPy and float64 alone."""

from mlzoo.neighbors.backends import BACKENDS, Backend, find_pairs
from mlzoo.neighbors.pairs import TOLERANCE, Pairs
from mlzoo.neighbors.skin import SkinList

__all__ = ["BACKENDS", "TOLERANCE", "Backend", "Pairs", "SkinList", "find_pairs"]
