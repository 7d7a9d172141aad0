"""The one data structure that every model reads: atoms joined by directed edges."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from ase.data import chemical_symbols
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from mlzoo.conditions import Condition, encode_conditions
from mlzoo.errors import InvalidStructure, UndeclaredUse
from mlzoo.neighbors import Pairs, find_pairs
from mlzoo.structures import Structure, structure_from

SHORTEST_EDGE = 1e-2  # Å; atoms closer than this are the same atom twice


@dataclass(frozen=True)
class Edges:
    """E directed edges: every ordered pair within a cutoff, each periodic image by itself, sorted by receiver."""

    senders: Int[Tensor, "E"]
    receivers: Int[Tensor, "E"]
    shifts: Int[Tensor, "E 3"]  # lattice vectors between the cells of sender and receiver
    vectors: Float[Tensor, "E 3"]  # Å, from sender to receiver; what energies are differentiated by

    @property
    def lengths(self) -> Float[Tensor, "E"]:
        return torch.linalg.vector_norm(self.vectors, dim=1)

    def __len__(self) -> int:
        return len(self.senders)


class Withheld(Tensor):
    """Stands where a model could read positions or cell without having declared it: any use of its values says so."""

    _name: str
    _harmless = (Tensor.shape.__get__, Tensor.dtype.__get__, Tensor.device.__get__)  # type: ignore[attr-defined]

    @classmethod
    def of(cls, name: str, hidden: Tensor) -> Withheld:
        withheld = torch.empty_like(hidden).as_subclass(cls)
        withheld._name = name
        return withheld

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func in cls._harmless:
            return super().__torch_function__(func, types, args, kwargs or {})
        flat = [each for arg in args for each in (arg if isinstance(arg, list | tuple) else [arg])]
        name = next((each._name for each in flat if isinstance(each, Withheld)), "positions or graph.cell")
        raise UndeclaredUse(
            f"the model reads graph.{name} but does not declare it, so its forces and virial would be wrong. "
            f'Add "{name}" to the model\'s `uses`.'
        )


@dataclass(frozen=True)
class Graph:
    """One or more structures joined into a single graph of A atoms, E edges, S structures.

    Edge ``e`` carries a message from its sender to its receiver.
    """

    atomic_numbers: Int[Tensor, "A"]
    positions: Float[Tensor, "A 3"]  # Å, float64
    cell: Float[Tensor, "S 3 3"]  # Å, float64, one lattice vector per row
    pbc: Bool[Tensor, "S 3"]
    edges: Edges
    structure_index: Int[Tensor, "A"]  # which structure each atom belongs to
    conditions: Mapping[str, Tensor]  # charge, spin, head, state, ...: one value a structure
    long_range: Edges | None = None  # a second, longer list for models that ask for one

    @property
    def n_atoms(self) -> int:
        return len(self.atomic_numbers)

    @property
    def n_structures(self) -> int:
        return len(self.pbc)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Graph:
        """The same graph on another device; edge vectors in ``dtype``, positions and cell always in float64."""

        def moved(edges: Edges) -> Edges:
            return Edges(
                edges.senders.to(device),
                edges.receivers.to(device),
                edges.shifts.to(device),
                edges.vectors.to(device, dtype),
            )

        return Graph(
            atomic_numbers=self.atomic_numbers.to(device),
            positions=self.positions.to(device),
            cell=self.cell.to(device),
            pbc=self.pbc.to(device),
            edges=moved(self.edges),
            structure_index=self.structure_index.to(device),
            conditions={name: value.to(device) for name, value in self.conditions.items()},
            long_range=None if self.long_range is None else moved(self.long_range),
        )


@dataclass(frozen=True)
class Bonded:
    """A structure with its edges, as arrays: what a graph is made of."""

    structure: Structure
    pairs: Pairs
    vectors: Float64[np.ndarray, "E 3"]  # Å, from sender to receiver
    longer: tuple[Pairs, Float64[np.ndarray, "L 3"]] | None  # pairs and vectors of the second, longer list
    conditions: Mapping[str, Tensor]

    def __len__(self) -> int:
        """Its number of edges."""
        return len(self.vectors)


def bonded(
    source: object,
    cutoff: float,
    *,
    long_range_cutoff: float | None = None,
    backend: str = "quickest",
    pairs: Pairs | None = None,
    conditions: Sequence[Condition] = (),
) -> Bonded:
    """One ``ase.Atoms``, pymatgen object or checked :class:`Structure` with its edges.

    ``cutoff`` in Å (an edge is in when its length is at most ``cutoff`` + 1e-8); ``pairs`` replaces the search where
    a list is at hand already. ``conditions`` are those that the model knows. Raises :class:`InvalidStructure`,
    also for overlapping atoms.
    """
    structure = structure_from(source)
    if pairs is None:
        pairs = find_pairs(structure.positions, structure.cell, structure.pbc, cutoff, backend)
    longer = None
    if long_range_cutoff is not None:
        more = find_pairs(structure.positions, structure.cell, structure.pbc, long_range_cutoff, backend)
        longer = more, _vectors(structure, more)
    known = encode_conditions(conditions, structure.conditions)
    return Bonded(structure, pairs, _vectors(structure, pairs), longer, known)


def graph_of(parts: Sequence[Bonded]) -> Graph:
    """One graph of all these structures, on the CPU in float64."""
    structures = [part.structure for part in parts]
    sizes = np.array([len(structure.positions) for structure in structures])
    longer = [part.longer for part in parts if part.longer is not None]
    return Graph(
        atomic_numbers=_tensor([structure.atomic_numbers for structure in structures]),
        positions=_tensor([structure.positions for structure in structures]),
        cell=torch.from_numpy(np.stack([structure.cell for structure in structures])),
        pbc=torch.from_numpy(np.stack([structure.pbc for structure in structures])),
        edges=_edges([(part.pairs, part.vectors) for part in parts], sizes),
        structure_index=torch.from_numpy(np.repeat(np.arange(len(parts)), sizes)),
        conditions={name: torch.cat([part.conditions[name] for part in parts]) for name in parts[0].conditions},
        long_range=_edges(longer, sizes) if longer else None,
    )


def graph_from_structure(source: object, cutoff: float, **how: Any) -> Graph:
    """Graph of one structure: :func:`bonded` takes the same arguments.

    >>> from ase.build import bulk
    >>> sodium = bulk("Na")  # bcc: 8 neighbours
    >>> len(graph_from_structure(sodium, cutoff=3.7).edges)
    8
    """
    return graph_of([bonded(source, cutoff, **how)])


def join(graphs: Sequence[Graph]) -> Graph:
    """Many graphs as one; their edges never cross. An empty sequence gives a graph of no structures.

    >>> from ase.build import bulk
    >>> sodium = graph_from_structure(bulk("Na"), cutoff=3.7)
    >>> join([sodium, sodium]).structure_index
    tensor([0, 1])
    """
    if len(graphs) == 1:
        return graphs[0]
    atoms = torch.tensor([graph.n_atoms for graph in graphs], dtype=torch.int64)
    structures = torch.tensor([graph.n_structures for graph in graphs], dtype=torch.int64)

    def joined(lists: Sequence[Edges]) -> Edges:
        first = _first(atoms, torch.tensor([len(edges) for edges in lists], dtype=torch.int64))
        return Edges(
            senders=_cat([edges.senders for edges in lists], (0,)) + first,
            receivers=_cat([edges.receivers for edges in lists], (0,)) + first,
            shifts=_cat([edges.shifts for edges in lists], (0, 3)),
            vectors=_cat([edges.vectors for edges in lists], (0, 3), torch.float64),
        )

    longer = [graph.long_range for graph in graphs if graph.long_range is not None]
    return Graph(
        atomic_numbers=_cat([graph.atomic_numbers for graph in graphs], (0,)),
        positions=_cat([graph.positions for graph in graphs], (0, 3), torch.float64),
        cell=_cat([graph.cell for graph in graphs], (0, 3, 3), torch.float64),
        pbc=_cat([graph.pbc for graph in graphs], (0, 3), torch.bool),
        edges=joined([graph.edges for graph in graphs]),
        structure_index=_cat([graph.structure_index for graph in graphs], (0,)) + _first(structures, atoms),
        conditions={
            name: torch.cat([g.conditions[name] for g in graphs]) for name in (graphs[0].conditions if graphs else ())
        },
        long_range=joined(longer) if longer else None,
    )


def withhold(graph: Graph, uses: Collection[str]) -> Graph:
    """The graph with positions and cell out of reach, but for those that the model ``uses``."""
    return replace(
        graph,
        positions=graph.positions if "positions" in uses else Withheld.of("positions", graph.positions),
        cell=graph.cell if "cell" in uses else Withheld.of("cell", graph.cell),
    )


def _first(sizes: Int[Tensor, "G"], rows: Int[Tensor, "G"]) -> Int[Tensor, "N"]:
    """For each row of each graph: how many of what is counted in ``sizes`` the graphs before it have."""
    return torch.repeat_interleave(sizes.cumsum(0) - sizes, rows)


def _cat(parts: list[Tensor], empty: tuple[int, ...], dtype: torch.dtype = torch.int64) -> Tensor:
    return torch.cat(parts) if parts else torch.empty(empty, dtype=dtype)


def _tensor(parts: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.concatenate(parts) if len(parts) > 1 else parts[0])


def _edges(lists: Sequence[tuple[Pairs, np.ndarray]], atoms: np.ndarray) -> Edges:
    """Edges of several structures of so many atoms, one after the other."""
    first = torch.from_numpy(np.repeat(atoms.cumsum() - atoms, [len(vectors) for _, vectors in lists]))
    return Edges(
        senders=_tensor([pairs.senders for pairs, _ in lists]) + first,
        receivers=_tensor([pairs.receivers for pairs, _ in lists]) + first,
        shifts=_tensor([pairs.shifts for pairs, _ in lists]),
        vectors=_tensor([vectors for _, vectors in lists]),
    )


def _vectors(structure: Structure, pairs: Pairs) -> Float64[np.ndarray, "E 3"]:
    """From sender to receiver. Raises :class:`InvalidStructure` where two atoms are in one place."""
    from mlzoo.neighbors.vectors import shortest  # imports Numba

    vectors = pairs.vectors(structure.positions, structure.cell)
    worst, length = shortest(vectors)
    if length < SHORTEST_EDGE:
        i, j = sorted((int(pairs.senders[worst]), int(pairs.receivers[worst])))
        symbols = [chemical_symbols[structure.atomic_numbers[atom]] for atom in (i, j)]
        raise InvalidStructure(
            f"atoms {i} ({symbols[0]}) and {j} ({symbols[1]}) overlap: they are {length:.2g} Å apart. "
            "Delete one of them or move it."
        )
    return vectors
