"""Who is a neighbour of whom: directed pairs of atoms within a cutoff, each periodic image by itself."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int, Int64

TOLERANCE = 1e-8  # Å; a pair is in when its length is at most cutoff + TOLERANCE, so a shell exactly at the cutoff is


@dataclass(frozen=True, eq=False)
class Pairs:
    """E directed pairs: i→j and j→i, every image within the cutoff, an atom's own images too, but not the atom itself.

    In canonical order (by receiver, then sender, then shift) unless a back end says otherwise, so that one geometry
    always gives one list, and sums over it are the same to the last bit.
    """

    senders: Int64[np.ndarray, "E"]
    receivers: Int64[np.ndarray, "E"]
    shifts: Int64[np.ndarray, "E 3"]  # lattice vectors in vector = r[receiver] − r[sender] + shift · cell

    def __len__(self) -> int:
        return len(self.senders)

    def vectors(
        self, positions: Float64[np.ndarray, "A 3"], cell: Float64[np.ndarray, "3 3"]
    ) -> Float64[np.ndarray, "E 3"]:
        """From sender to receiver, in Å, for positions and lattice vectors (rows) in Å.

        >>> there_and_back = Pairs(np.array([0, 1]), np.array([1, 0]), np.array([[0, 0, 1], [0, 0, -1]]))
        >>> there_and_back.vectors(np.array([[0.0, 0, 3], [0, 0, 1]]), 4 * np.eye(3))
        array([[ 0.,  0.,  2.],
               [ 0.,  0., -2.]])
        """
        from mlzoo.neighbors.vectors import edge_vectors  # imports Numba

        return edge_vectors(positions, cell, self.senders, self.receivers, self.shifts)

    def keep(self, mask: Bool[np.ndarray, "E"]) -> "Pairs":
        """The pairs where ``mask`` is true, in the same order."""
        kept = np.flatnonzero(mask)
        return Pairs(self.senders.take(kept), self.receivers.take(kept), self.shifts.take(kept, axis=0))


# Distances are computed one Cartesian component at a time: faster than (E, 3) @ (3, 3), and a pair gets the same bits
# wherever it stands in a list and in either direction, so that every list draws the cutoff at the same place.


def shift_offsets(shifts: Int[np.ndarray, "E 3"], cell: Float64[np.ndarray, "3 3"]) -> Float64[np.ndarray, "3 E"]:
    """shift · cell in Å, one row per Cartesian component."""
    first, second, third = shifts.T.astype(np.float64, order="C")
    offsets = np.empty((3, len(shifts)))
    for axis in range(3):
        np.multiply(first, cell[0, axis], out=offsets[axis])
        offsets[axis] += second * cell[1, axis]
        offsets[axis] += third * cell[2, axis]
    return offsets


def separations(
    positions: Float64[np.ndarray, "A 3"],
    senders: Int64[np.ndarray, "E"],
    receivers: Int64[np.ndarray, "E"],
    offsets: Float64[np.ndarray, "3 E"],
) -> Float64[np.ndarray, "3 E"]:
    """r[receiver] − r[sender] + offset in Å, one row per Cartesian component."""
    separation = np.empty_like(offsets)
    for component, offset, along in zip(np.ascontiguousarray(positions.T), offsets, separation, strict=True):
        np.subtract(component.take(receivers), component.take(senders), out=along)
        along += offset
    return separation


def within(separation: Float64[np.ndarray, "3 E"], cutoff: float) -> Bool[np.ndarray, "E"]:
    """Whether each length is at most ``cutoff`` (Å), inclusive by ``TOLERANCE``."""
    squares = np.square(separation)
    length_squared = squares[0]
    length_squared += squares[1]
    length_squared += squares[2]
    return length_squared <= (cutoff + TOLERANCE) ** 2


def both_directions(
    senders: Int64[np.ndarray, "half"],
    receivers: Int64[np.ndarray, "half"],
    shifts: Int[np.ndarray, "half 3"],
    n_atoms: int,
) -> Pairs:
    """The complete list in canonical order, from one that names each pair in one direction only.

    Receiver, sender and shift go into the bits of one integer, in this order of significance: sorting it sorts the
    pairs, and they are read back out of it, which is several times faster than an index sort over five columns.
    """
    if not len(senders):
        return Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 3), np.int64))
    furthest = int(max(shifts.max(), -shifts.min()))
    shift_bits, atom_bits = (2 * furthest).bit_length(), n_atoms.bit_length()
    if 2 * atom_bits + 3 * shift_bits > 63:  # vast, or far outside its cell
        return sorted_pairs(
            np.concatenate([senders, receivers]),
            np.concatenate([receivers, senders]),
            np.concatenate([shifts, -shifts]).astype(np.int64),
        )
    code = shifts[:, 0].astype(np.int64)
    for axis in (1, 2):
        code <<= shift_bits
        code += shifts[:, axis]

    keys = np.empty(2 * len(senders), np.int64)
    there, back = keys[: len(senders)], keys[len(senders) :]
    np.left_shift(receivers, atom_bits, out=there)
    there |= senders
    np.left_shift(senders, atom_bits, out=back)
    back |= receivers
    keys <<= 3 * shift_bits
    keys += (furthest << 2 * shift_bits) + (furthest << shift_bits) + furthest  # each shift counts from −furthest
    there += code
    back -= code
    keys.sort(kind="stable")  # timsort: the search left long runs in order

    ordered = np.empty((len(keys), 3), np.int64)
    for axis in range(3):
        np.bitwise_and(keys >> (2 - axis) * shift_bits, (1 << shift_bits) - 1, out=ordered[:, axis])
    ordered -= furthest
    keys >>= 3 * shift_bits
    return Pairs(keys & ((1 << atom_bits) - 1), keys >> atom_bits, ordered)


def sorted_pairs(
    senders: Int64[np.ndarray, "E"], receivers: Int64[np.ndarray, "E"], shifts: Int64[np.ndarray, "E 3"]
) -> Pairs:
    """A complete list in canonical order, by a plain sort over the five columns."""
    order = np.lexsort((shifts[:, 2], shifts[:, 1], shifts[:, 0], senders, receivers))
    return Pairs(senders[order], receivers[order], shifts[order])
