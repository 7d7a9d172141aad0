"""Edge by edge and in order, what MatGL 2.x itself saw (shared/references/matgl/README.md)."""

import json

import numpy as np

from mlzoo.neighbors import find_pairs


def matgl_cases(shared):
    """Each edge list of the reference with its name, positions, cell (Å), pbc and cutoff (Å)."""
    folder = shared / "references" / "matgl"
    structures = json.loads((folder / "structures.json").read_text())
    with np.load(folder / "edges.npz") as edges:
        for key in edges.files:
            name, _, cutoff = key.partition("@rc")
            structure = structures[name]
            cell = np.eye(3) if structure["cell"] is None else np.array(structure["cell"], float)
            pbc = np.array(structure["pbc"], bool)
            yield key, edges[key], np.array(structure["positions"], float), cell, pbc, float(cutoff or 5.0)


def test_order_is_matgls(shared):
    names = []
    for name, expected, positions, cell, pbc, cutoff in matgl_cases(shared):
        # The slab was run with full periodicity and vacuum; the same list must come from what it is, T T F.
        for flags in [pbc, np.ones(3, bool)] if pbc.any() else [pbc]:
            pairs = find_pairs(positions, cell, flags, cutoff, "pymatgen")
            rows = np.column_stack([pairs.receivers, pairs.senders, -pairs.shifts])
            np.testing.assert_array_equal(rows, expected, err_msg=name)
        names.append(name)
    assert {"nacl8", "al_slab_ttf", "ethanol", "isolated_fe", "sc_mg_exact5", "nacl8@rc4"} <= set(names)


def test_other_back_ends_find_the_same_edges(shared):
    for name, expected, positions, cell, pbc, cutoff in matgl_cases(shared):
        rows = expected[np.lexsort((*(-expected[:, :1:-1]).T, expected[:, 1], expected[:, 0]))]
        pairs = find_pairs(positions, cell, pbc, cutoff)
        found = np.column_stack([pairs.receivers, pairs.senders, -pairs.shifts])
        np.testing.assert_array_equal(found, rows, err_msg=name)
