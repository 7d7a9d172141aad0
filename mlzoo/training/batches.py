"""Batches of labelled structures: which ones an epoch has is decided by seed and epoch alone, so that a run can go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from mlzoo.graph import Graph, graph_of
from mlzoo.training.prepared import Per, Prepared, PreparedExamples, row


@dataclass(frozen=True)
class Batch:
    """Structures as one graph, with their labels: (S, ...) or (A, ...), NaN where one is missing."""

    graph: Graph
    labels: Mapping[str, Tensor]  # float64
    weights: Tensor  # (S,), float64
    atoms: Tensor  # (S,), how many atoms each structure has
    sources: tuple[str, ...]

    def to(self, device: torch.device, dtype: torch.dtype) -> Batch:
        labels = {name: label.to(device) for name, label in self.labels.items()}
        return Batch(self.graph.to(device, dtype), labels, self.weights.to(device), self.atoms.to(device), self.sources)


class PreparedSet(Dataset):
    """All examples, and what is learned of them: one value a structure or one an atom."""

    def __init__(self, examples: PreparedExamples, targets: Mapping[str, Per]):
        self._prepared, self.edges, self.targets = examples.prepared, examples.edges, dict(targets)

    def __len__(self) -> int:
        return len(self._prepared)

    def __getitem__(self, index: int) -> Prepared:
        return self._prepared[index]

    def collate(self, chosen: Sequence[Prepared]) -> Batch:
        atoms = torch.tensor([len(each.example.structure.atomic_numbers) for each in chosen])
        labels = {}
        for name, per in self.targets.items():
            rows = [row(each.example, name, per) for each in chosen]
            labels[name] = torch.from_numpy(np.concatenate(rows) if per == "atom" else np.stack(rows))
        weights = torch.tensor([each.example.weight for each in chosen], dtype=torch.float64)
        sources = tuple(each.example.source for each in chosen)
        return Batch(graph_of([each.part for each in chosen]), labels, weights, atoms, sources)


class EdgeBudget(Sampler[list[int]]):
    """Batches of at most so many structures and edges; reshuffled by seed and epoch, shared out over ranks."""

    def __init__(
        self, edges: Sequence[int], max_edges: int, max_structures: int, seed: int | None, rank: int = 0, ranks: int = 1
    ):
        self.edges, self.max_edges, self.max_structures = list(edges), max_edges, max_structures
        self.seed, self.rank, self.ranks, self.epoch = seed, rank, ranks, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    @property
    def sampler(self) -> EdgeBudget:
        """Lightning looks here for what is to be told the epoch."""
        return self

    def __iter__(self) -> Iterator[list[int]]:
        """The epoch counts that is set when the first batch is asked for: Lightning may make iterators before it."""
        yield from self._batches()[self.rank :: self.ranks]

    def __len__(self) -> int:
        return len(self._batches()) // self.ranks

    def _batches(self) -> list[list[int]]:
        """As many for each rank: what is left over takes part in another epoch."""
        order = np.arange(len(self.edges))
        if self.seed is not None:
            order = np.random.default_rng([self.seed, self.epoch]).permutation(order)
        batches: list[list[int]] = [[]]
        size = 0
        for index in order.tolist():
            full = len(batches[-1]) >= self.max_structures or size + self.edges[index] > self.max_edges
            if batches[-1] and full:
                batches.append([])
                size = 0
            batches[-1].append(index)
            size += self.edges[index]
        return batches[: len(batches) // self.ranks * self.ranks]


class Patient(DataLoader):
    """Workers begin when the first batch is asked for, and not when Lightning makes an iterator, before the epoch is said."""

    def __iter__(self) -> Any:
        yield from super().__iter__()


def loader(dataset: PreparedSet, sampler: EdgeBudget, workers: int = 0) -> DataLoader:
    """Workers are processes of their own, which read and batch ahead; what they hand over is the same."""
    return Patient(
        dataset,
        batch_sampler=sampler,
        collate_fn=dataset.collate,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
