"""The form that answers on a CPU against the plain form: the same numbers, and the same physics by itself."""

from __future__ import annotations

from functools import cache
from typing import ClassVar

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule

import mlzoo
from mlzoo.derivatives import evaluate
from mlzoo.graph import bonded, graph_of
from mlzoo.nn import threads
from mlzoo.structures import structure_from
from mlzoo.testing.cells import Cells
from mlzoo.testing.derivatives import Derivatives
from mlzoo.testing.smoothness import Smoothness
from mlzoo.testing.symmetry import Momentum, Symmetry
from mlzoo_mace.kernels.answering import convolution, tables
from mlzoo_mace.kernels.answering.form import FrozenMace
from mlzoo_mace.kernels.answering.splines import SHORTEST
from tests.mace.test_kernels import FILES, crystal_and_molecule
from tests.mace.test_training import designed

PROPERTIES = ["energies", "forces", "virial"]


@cache
def load(shared, file, dtype):
    return mlzoo.load(shared / "weights" / file, dtype=dtype, device="cpu", exact=True).model


def graph_for(model, *structures):
    parts = [bonded(structure_from(atoms), model.cutoff, conditions=model.conditions) for atoms in structures]
    return graph_of(parts).to("cpu", next(model.parameters()).dtype)


def silicon_of(model, repeat=2):
    atoms = bulk("Si", cubic=True) * ((repeat,) * 3)
    atoms.numbers[:] = np.resize(model.elements[:3], len(atoms))
    atoms.rattle(0.1, seed=1)
    return atoms


@pytest.mark.parametrize("file", [*FILES, "mlip/v01_softenv_tanh_scaled.zip", "mace-torch/mp0b-small-like.model"])
def test_published_networks_in_both_precisions(file, shared):
    plain = load(shared, file, "float64")
    graph = crystal_and_molecule(plain)
    expected = evaluate(plain, graph, PROPERTIES)
    exact = evaluate(FrozenMace(plain, splined=False), graph, PROPERTIES)
    for name in PROPERTIES:
        torch.testing.assert_close(exact[name], expected[name], rtol=0, atol=1e-10 * float(expected[name].abs().max()))

    single = load(shared, file, "float32")
    form, rounded = FrozenMace(single, splined=True), graph.to("cpu", torch.float32)
    assert form.splined
    found, rounding = (evaluate(each, rounded, PROPERTIES) for each in (form, single))
    for name, allowed in (("energies", 1e-6), ("forces", 1e-5), ("virial", 1e-4)):
        own = max(float((rounding[name] - expected[name]).abs().max()), 1e-6 * float(expected[name].abs().max()))
        assert float((found[name] - expected[name]).abs().max()) <= allowed + own, name


class Answering(Symmetry, Momentum, Derivatives, Smoothness, Cells):
    """In float64, where the splines are a potential to every digit, whatever they stand for."""

    file: ClassVar[str]

    @pytest.fixture
    def model(self, shared):
        return FrozenMace(load(shared, self.file, "float64"), splined=True)


class TestScalarAndVectorSenders(Answering):
    file = "mace-torch/mp0-medium-like.model"


class TestTablesOfPairsGatesAndCounts(Answering):
    file = "mace-torch/mh-like.model"


def test_shorter_edges_than_splines_reach_are_left_to_the_perceptrons(shared):
    plain = load(shared, "mace-torch/mp0-medium-like.model", "float64")
    close = Atoms([plain.elements[0]] * 3, [[0, 0, 0], [0, 0, 0.8 * SHORTEST], [0, 1.0, 0]])
    graph = graph_for(plain, close)
    found, expected = (evaluate(each, graph, PROPERTIES) for each in (FrozenMace(plain, splined=True), plain))
    for name in PROPERTIES:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-10, atol=1e-10)


def test_more_pairs_of_elements_than_there_is_room_for_are_left_to_the_perceptrons(shared, monkeypatch):
    plain = load(shared, "mace-torch/mpa0-medium-like.model", "float64")
    form, graph = FrozenMace(plain, splined=True), graph_for(plain, silicon_of(plain))
    monkeypatch.setattr(tables, "LARGEST", 0)
    found, expected = (evaluate(each, graph, PROPERTIES) for each in (form, plain))
    assert (form.rows < 0).all()
    torch.testing.assert_close(found["forces"], expected["forces"], rtol=0, atol=1e-10)


def test_tables_grow_with_the_pairs_that_are_seen(shared):
    plain = load(shared, "mace-torch/mpa0-medium-like.model", "float32")
    form = FrozenMace(plain, splined=True)
    one, two = silicon_of(plain), silicon_of(plain)
    one.numbers[:] = plain.elements[0]
    first = evaluate(form, graph_for(plain, one), PROPERTIES)
    assert (form.rows >= 0).sum() == 1
    evaluate(form, graph_for(plain, two), PROPERTIES)
    assert (form.rows >= 0).sum() == 9
    again = evaluate(form, graph_for(plain, one), PROPERTIES)
    assert all(torch.equal(again[name], first[name]) for name in PROPERTIES)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("hidden_degree", "channels"), [(0, 16), (1, 16), (1, 128)])
def test_threads_change_no_bit(monkeypatch, hidden_degree, channels, dtype):
    monkeypatch.setattr(threads, "OPERATIONS", 2**14)  # so that all of them have something to do
    model = designed(channels=channels, hidden_degree=hidden_degree).to(dtype).requires_grad_(False)
    form, graph = FrozenMace(model, splined=dtype == torch.float32), graph_for(model, silicon_of(model, 3))
    assert convolution.blocks_of(graph.n_atoms)[0] > 2
    alone = evaluate(form, graph, PROPERTIES)
    try:
        torch.set_num_threads(2)
        together = evaluate(form, graph, PROPERTIES)
    finally:
        torch.set_num_threads(1)
    for name in PROPERTIES:
        assert torch.equal(alone[name], together[name]), name


def test_what_answers_is_said(shared):
    said = mlzoo.load(shared / "weights/mlip/v02_gaunt_sc_mp.zip", dtype="float32").provenance["kernels"]
    assert said.startswith("numba, radial splines, plain products in layer 1")
    assert mlzoo.load(shared / "weights/mlip/v01_tiny.zip", dtype="float64").provenance["kernels"] == "numba"
    assert mlzoo.load(shared / "weights/mlip/v01_tiny.zip", exact=True).provenance["kernels"] == "plain"


def test_atoms_without_neighbours():
    model = designed(channels=8).float().requires_grad_(False)
    form = FrozenMace(model, splined=True)
    atoms = molecule("H2O")
    atoms.numbers[:] = model.elements[0]
    apart = Atoms([model.elements[0]] * 2, [[0, 0, 0], [0, 0, 3 * model.cutoff]])
    found, expected = (evaluate(each, graph_for(model, apart, atoms), PROPERTIES) for each in (form, model))
    for name in PROPERTIES:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-5, atol=1e-5)
