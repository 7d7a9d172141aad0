"""What is true of every neighbour list, whichever back end made it."""

import numpy as np
import pytest

from mlzoo.errors import MlzooError
from mlzoo.neighbors import BACKENDS, TOLERANCE, find_pairs
from mlzoo.neighbors.pairs import both_directions, sorted_pairs

OPEN = np.zeros(3, bool)
PERIODIC = np.ones(3, bool)


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


@pytest.fixture
def crystal():
    """A left-handed triclinic cell of five atoms, smaller than the cutoffs used here, with positions and cell in Å."""
    rng = np.random.default_rng(7)
    cell = np.array([[3.1, 0.2, 0.4], [0.9, 0.3, 3.4], [-0.5, 3.9, 0.1]])
    return rng.uniform(-1, 2, (5, 3)) @ cell, cell


def edge_set(pairs):
    edges = set(zip(pairs.senders.tolist(), pairs.receivers.tolist(), map(tuple, pairs.shifts.tolist()), strict=True))
    assert len(edges) == len(pairs), "an edge is listed twice"
    return edges


def sorted_rows(vectors):
    rounded = np.round(vectors, 9) + 0.0  # no negative zero
    return rounded[np.lexsort(rounded.T)]


def test_every_edge_has_its_reverse(backend, crystal):
    edges = edge_set(find_pairs(*crystal, np.array([True, False, True]), 5.0, backend))
    assert edges == {(receiver, sender, tuple(-n for n in shift)) for sender, receiver, shift in edges}


def test_vector_is_receiver_minus_sender_plus_shift(backend, crystal):
    positions, cell = crystal
    pairs = find_pairs(positions, cell, PERIODIC, 5.0, backend)
    vectors = pairs.vectors(positions, cell)
    by_hand = [
        positions[r] - positions[s] + n @ cell
        for s, r, n in zip(pairs.senders, pairs.receivers, pairs.shifts, strict=True)
    ]
    np.testing.assert_allclose(vectors, by_hand, atol=1e-12)
    lengths = np.linalg.norm(vectors, axis=1)
    assert lengths.max() <= 5.0 + TOLERANCE
    assert lengths.min() > 0


@pytest.mark.parametrize("shell", [0, 1, 2, 3])
def test_a_shell_exactly_at_the_cutoff_is_in(backend, shell):
    """Shells of the simple cubic lattice: 6, 12, 8 and 6 atoms at a√1, a√2, a√3 and a√4."""
    a = 3.3
    cutoff = a * np.sqrt(shell + 1)
    cubic = np.zeros((1, 3)), a * np.eye(3), PERIODIC
    assert len(find_pairs(*cubic, cutoff, backend)) == [6, 18, 26, 32][shell]
    assert len(find_pairs(*cubic, cutoff - 2 * TOLERANCE, backend)) == [0, 6, 18, 26][shell]


def test_the_tolerance_is_one_hundred_millionth_of_an_angstrom():
    for length, n_edges in [(3.0 + 0.9e-8, 2), (3.0 + 1.1e-8, 0)]:
        dimer = np.array([[0, 0, 0], [0, 0, length]])
        for backend in ("small", "vesin", "brute_force"):
            assert len(find_pairs(dimer, np.zeros((3, 3)), OPEN, 3.0, backend)) == n_edges


def test_moving_or_wrapping_atoms_changes_no_vector(backend, crystal):
    positions, cell = crystal
    vectors = find_pairs(positions, cell, PERIODIC, 4.5, backend).vectors(positions, cell)
    hops = np.random.default_rng(1).integers(-9, 10, positions.shape)
    wrapped = positions - np.floor(positions @ np.linalg.inv(cell)) @ cell
    for moved in (positions + np.array([31.0, -7.3, 0.2]), positions + hops @ cell, wrapped):
        again = find_pairs(moved, cell, PERIODIC, 4.5, backend).vectors(moved, cell)
        np.testing.assert_allclose(sorted_rows(again), sorted_rows(vectors), atol=1e-8)


def test_canonical_order_does_not_depend_on_the_back_end(crystal):
    lists = [find_pairs(*crystal, PERIODIC, 6.0, backend) for backend in ("brute_force", "vesin", "small")]
    for name in ("senders", "receivers", "shifts"):
        judged, *others = (getattr(pairs, name) for pairs in lists)
        for other in others:
            assert other.dtype == judged.dtype == np.int64
            np.testing.assert_array_equal(other, judged)
    keys = np.column_stack([lists[0].receivers, lists[0].senders, lists[0].shifts]).tolist()
    assert keys == sorted(keys)


def test_no_edges_keep_their_axes(backend):
    for positions in (np.zeros((1, 3)), np.array([[0.0, 0, 0], [0, 0, 40]])):
        pairs = find_pairs(positions, np.zeros((3, 3)), OPEN, 5.0, backend)
        assert pairs.senders.shape == pairs.receivers.shape == (0,)
        assert pairs.shifts.shape == pairs.vectors(positions, np.zeros((3, 3))).shape == (0, 3)
        assert pairs.senders.dtype == pairs.shifts.dtype == np.int64


def test_two_atoms_in_one_place_are_a_pair(backend):
    """Upstream says that they overlap; a list that hid them could not."""
    assert len(find_pairs(np.ones((2, 3)), np.zeros((3, 3)), OPEN, 3.0, backend)) == 2


@pytest.mark.parametrize("far", [1, 2**20])
def test_packed_and_plain_sort_agree(far):
    """2^20 cells away is too far to pack, so both ways are taken."""
    rng = np.random.default_rng(3)
    senders, receivers = rng.integers(0, 50, (2, 400))
    shifts = rng.integers(-far, far + 1, (400, 3))
    packed = both_directions(senders, receivers, shifts, n_atoms=50)
    ends = np.concatenate([senders, receivers]), np.concatenate([receivers, senders])
    plain = sorted_pairs(*ends, np.concatenate([shifts, -shifts]))
    for name in ("senders", "receivers", "shifts"):
        np.testing.assert_array_equal(getattr(packed, name), getattr(plain, name))


def test_errors_name_the_value_and_the_choice():
    one = np.zeros((1, 3)), np.eye(3), PERIODIC
    with pytest.raises(
        MlzooError, match=r'no neighbour back end "ase". Choose one of quickest, small, vesin, brute_force'
    ):
        find_pairs(*one, 5.0, "ase")
    for cutoff in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(MlzooError, match=f"cutoff is {cutoff} Å"):
            find_pairs(*one, cutoff)
