"""Who is joined to whom, as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlzoo_megnet.layers import Links


@dataclass(frozen=True)
class Joints:
    """``Links`` as arrays, with the numbers of rows that means are taken over; at least one."""

    centres: np.ndarray
    neighbours: np.ndarray
    targets: np.ndarray
    structure_of_edge: np.ndarray
    structure_of_atom: np.ndarray
    edges_at_atom: np.ndarray
    edges_of_structure: np.ndarray
    atoms_of_structure: np.ndarray

    @classmethod
    def of(cls, links: Links, structures: int) -> Joints:
        arrays = [each.numpy() for each in vars(links).values()]
        _, _, targets, structure_of_edge, structure_of_atom = arrays
        counted = (targets, len(structure_of_atom)), (structure_of_edge, structures), (structure_of_atom, structures)
        return cls(
            *arrays, *(np.maximum(np.bincount(index, minlength=n), 1).astype(np.float32) for index, n in counted)
        )
