"""One structure or many in one graph."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule

from mlzoo.conditions import Condition
from mlzoo.errors import InvalidStructure
from mlzoo.graph import graph_from_structure, join
from mlzoo.neighbors import Pairs


def test_a_vector_points_from_sender_to_receiver_through_the_shift():
    atoms = bulk("NaCl", "rocksalt", a=5.6)
    graph = graph_from_structure(atoms, 4.0)
    edges = graph.edges
    expected = graph.positions[edges.receivers] - graph.positions[edges.senders] + edges.shifts.double() @ graph.cell[0]
    torch.testing.assert_close(edges.vectors, expected)


def test_every_edge_has_its_reverse():
    edges = graph_from_structure(bulk("Si"), 5.0).edges
    forward = {
        (i, j, *s)
        for i, j, s in zip(edges.senders.tolist(), edges.receivers.tolist(), edges.shifts.tolist(), strict=True)
    }
    assert forward == {(j, i, -x, -y, -z) for i, j, x, y, z in forward}


def test_joined_graphs_keep_their_edges_apart():
    parts = [
        graph_from_structure(atoms, 4.0, long_range_cutoff=6.0) for atoms in (molecule("H2O"), bulk("Cu"), Atoms("He"))
    ]
    whole = join(parts)
    assert whole.structure_index.tolist() == [0, 0, 0, 1, 2]
    for edges in (whole.edges, whole.long_range):
        assert torch.equal(whole.structure_index[edges.senders], whole.structure_index[edges.receivers])
    torch.testing.assert_close(whole.edges.vectors, torch.cat([part.edges.vectors for part in parts]))
    torch.testing.assert_close(whole.cell, torch.cat([part.cell for part in parts]))
    assert whole.pbc.tolist() == [[False] * 3, [True] * 3, [False] * 3]


def test_joined_graphs_keep_their_conditions():
    charge = [Condition("charge", default=0.0)]
    parts = [graph_from_structure(Atoms("He", info={"charge": q}), 4.0, conditions=charge) for q in (1, -2)]
    assert join(parts).conditions["charge"].tolist() == [1.0, -2.0]


def test_no_graphs_joined_are_a_graph_with_all_its_axes():
    empty = join([])
    assert (empty.n_atoms, empty.n_structures, len(empty.edges)) == (0, 0, 0)
    assert (empty.positions.shape, empty.cell.shape, empty.pbc.shape) == ((0, 3), (0, 3, 3), (0, 3))
    assert (empty.edges.vectors.shape, empty.edges.shifts.shape) == ((0, 3), (0, 3))


def test_only_edge_vectors_take_the_dtype_of_the_model():
    graph = graph_from_structure(bulk("Cu"), 4.0).to("cpu", torch.float32)
    assert graph.edges.vectors.dtype == torch.float32
    assert graph.positions.dtype == graph.cell.dtype == torch.float64


def test_a_list_at_hand_replaces_the_search():
    pairs = Pairs(np.array([0, 1]), np.array([1, 0]), np.zeros((2, 3), dtype=np.int64))
    graph = graph_from_structure(molecule("H2O"), 4.0, pairs=pairs)
    assert graph.edges.receivers.tolist() == [1, 0]


@pytest.mark.parametrize("distance", [0.0, 0.004])
def test_overlapping_atoms_are_named(distance):
    atoms = Atoms("OH2", positions=[[0, 0, 0], [0, 0, 1], [0, distance, 1]])
    with pytest.raises(
        InvalidStructure, match=rf"atoms 1 \(H\) and 2 \(H\) overlap: they are {distance:.2g} Å apart. Delete"
    ):
        graph_from_structure(atoms, 4.0)
