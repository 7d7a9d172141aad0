"""A labelled structure as three plain arrays, and back, bit for bit."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlzoo.neighbors import Pairs
from mlzoo.structures import Structure
from mlzoo.training.data.example import Example


@dataclass(frozen=True)
class Packed:
    """Names, shapes and words as JSON in UTF-8; all numbers that are whole; all others, in eV and Å."""

    text: np.ndarray  # uint8
    integers: np.ndarray  # int32: elements, periodicity; senders, receivers and shifts of edges
    floats: np.ndarray  # float64: positions, cell, labels

    @property
    def checksum(self) -> int:
        """CRC-32 of the three, one after the other."""
        value = 0
        for array in (self.text, self.integers, self.floats):
            value = zlib.crc32(array.tobytes(), value)
        return value


def pack(example: Example) -> Packed:
    structure = example.structure
    within, pairs = example.neighbours or (None, None)
    integers = [structure.atomic_numbers, structure.pbc]
    if pairs is not None:
        integers += [pairs.senders, pairs.receivers, pairs.shifts]
    labels = {name: np.asarray(label, dtype=np.float64) for name, label in example.labels.items()}
    said = {
        "atoms": len(structure.atomic_numbers),
        "conditions": {name: _plain(value) for name, value in structure.conditions.items()},
        "labels": {name: label.shape for name, label in labels.items()},
        "weight": float(example.weight),
        "group": example.group,
        "source": example.source,
        "cutoff": within,
    }
    return Packed(
        np.frombuffer(json.dumps(said).encode(), np.uint8),
        np.concatenate([np.ravel(each).astype(np.int32) for each in integers]),
        np.concatenate([np.ravel(each) for each in (structure.positions, structure.cell, *labels.values())]),
    )


def unpack(packed: Packed) -> Example:
    said = json.loads(packed.text.tobytes())
    atoms, integers = said["atoms"], packed.integers
    places = np.cumsum([3 * atoms, 9, *(int(np.prod(shape)) for shape in said["labels"].values())])
    positions, cell, *values = np.split(packed.floats, places[:-1])
    labels = {
        name: float(value[0]) if not shape else value.reshape(shape)
        for (name, shape), value in zip(said["labels"].items(), values, strict=True)
    }
    structure = Structure(
        integers[:atoms].astype(np.int64),
        positions.reshape(atoms, 3),
        cell.reshape(3, 3),
        integers[atoms : atoms + 3].astype(bool),
        said["conditions"],
    )
    neighbours = None
    if said["cutoff"] is not None:
        edges = integers[atoms + 3 :].astype(np.int64)
        count = len(edges) // 5
        pairs = Pairs(edges[:count], edges[count : 2 * count], edges[2 * count :].reshape(count, 3))
        neighbours = said["cutoff"], pairs
    return Example(structure, labels, said["weight"], said["group"], said["source"], neighbours)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
