"""Forces, virial, stress and Hessian against finite differences of the energy, on a fixed list of edges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from ase import Atoms
from torch import Tensor

from mlzoo.derivatives import evaluate, hessian
from mlzoo.graph import Edges, Graph, join
from mlzoo.predictor import Predictor
from mlzoo.testing.subject import Subject, energy_model, holds_where

STEP = 1e-4  # Å, or strain
STENCIL = {-2: 1 / 12, -1: -8 / 12, 1: 8 / 12, 2: -1 / 12}  # first derivative, to fourth order


class Derivatives(Subject):
    def test_forces_are_the_slope_of_the_energy(self, predictor: Predictor, structures: dict[str, Atoms]):
        holds_where(energy_model(predictor).derivatives >= 1, "it has no forces")
        for name, atoms in structures.items():
            graph = predictor.graph(atoms)
            directions = torch.eye(3 * graph.n_atoms, dtype=torch.float64).reshape(-1, graph.n_atoms, 3)
            slope = _slope(predictor, [[displaced(graph, k * STEP * d) for k in STENCIL] for d in directions], "energy")
            _assert_slope(predictor.predict(atoms)["forces"], -slope.reshape(-1, 3), f"{name}: forces")

    def test_virial_is_the_slope_under_strain(self, predictor: Predictor, structures: dict[str, Atoms]):
        holds_where(energy_model(predictor).derivatives >= 1, "it has no forces")
        for name, atoms in structures.items():
            graph = predictor.graph(atoms)
            strains = torch.eye(9, dtype=torch.float64).reshape(9, 3, 3)
            slope = _slope(predictor, [[strained(graph, k * STEP * e) for k in STENCIL] for e in strains], "energy")
            found = predictor.predict(atoms)
            _assert_slope(found["virial"], slope.reshape(3, 3), f"{name}: virial")
            assert ("stress" in found) == bool(atoms.pbc.any()), (
                f"{name}: stress is for what is periodic and has a volume"
            )
            if "stress" in found:
                voigt = ((slope.reshape(3, 3) + slope.reshape(3, 3).T) / 2)[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
                _assert_slope(found["stress"], voigt / abs(np.linalg.det(atoms.cell.array)), f"{name}: stress")

    def test_hessian_is_the_slope_of_the_forces(self, predictor: Predictor, structures: dict[str, Atoms]):
        holds_where(energy_model(predictor).derivatives >= 2, "it has no second derivatives")
        for name, atoms in structures.items():
            graph = predictor.graph(atoms)
            directions = torch.eye(3 * graph.n_atoms, dtype=torch.float64).reshape(-1, graph.n_atoms, 3)
            slope = _slope(predictor, [[displaced(graph, k * STEP * d) for k in STENCIL] for d in directions], "forces")
            _assert_slope(
                hessian(predictor.model, graph).numpy(), -slope.reshape(len(directions), -1), f"{name}: Hessian"
            )


def displaced(graph: Graph, by: Tensor) -> Graph:
    """The graph with each atom moved, (A, 3) in Å, and its edges kept."""

    def moved(edges: Edges) -> Edges:
        return replace(edges, vectors=edges.vectors + by[edges.receivers] - by[edges.senders])

    longer = None if graph.long_range is None else moved(graph.long_range)
    return replace(graph, positions=graph.positions + by, edges=moved(graph.edges), long_range=longer)


def strained(graph: Graph, by: Tensor) -> Graph:
    """The graph with every vector stretched by 1 + ε, ε (3, 3), and its edges kept."""
    stretch = torch.eye(3, dtype=torch.float64) + by

    def moved(edges: Edges) -> Edges:
        return replace(edges, vectors=edges.vectors @ stretch)

    return replace(
        graph,
        positions=graph.positions @ stretch,
        cell=graph.cell @ stretch,
        edges=moved(graph.edges),
        long_range=None if graph.long_range is None else moved(graph.long_range),
    )


def _slope(predictor: Predictor, graphs: list[list[Graph]], name: str) -> np.ndarray:
    """d(name)/d(direction), one row for each row of displaced graphs."""
    rows = [evaluate(predictor.model, join(row), [name])[name].reshape(len(STENCIL), -1) for row in graphs]
    weights = torch.tensor(list(STENCIL.values()), dtype=torch.float64) / STEP
    return torch.stack([weights @ row for row in rows]).numpy()


def _assert_slope(found: np.ndarray, expected: np.ndarray, what: str) -> None:
    allowed = 1e-6 * max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(found, expected, rtol=0, atol=allowed, err_msg=what)
