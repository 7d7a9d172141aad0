"""Forces, virial, stress and Hessian of any energy, once for all architectures.

The edge vectors are the leaf: forces are −∂E/∂r summed to the two ends of each edge, the virial is Σ r ⊗ ∂E/∂r. Neither
asks whether there is a cell, so molecules, slabs and left-handed or tiny cells are one case.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from mlzoo.errors import UnsupportedProperty
from mlzoo.graph import Edges, Graph, withhold
from mlzoo.model import EnergyModel, Model
from mlzoo.nn.segments import sum_per_segment
from mlzoo.nn.threads import own_threads
from mlzoo.structures import SMALLEST_VOLUME

GEOMETRIC = {"forces", "virial", "stress"}
BLOCK = 1024  # rows of a product that are summed at once


def evaluate(
    model: Model, graph: Graph, properties: Collection[str], *, create_graph: bool = False
) -> dict[str, Tensor]:
    """Evaluate ``properties`` of every structure in the graph.

    Returns ``energy`` (S,) eV, ``energies`` (A,) eV, ``forces`` (A, 3) eV/Å, ``virial`` (S, 3, 3) eV and ``stress``
    (S, 6) eV/Å³ in float64, and the model's own outputs as it gives them; ``stress`` is NaN where a structure has no
    volume. With ``create_graph`` the results can be differentiated again, as training does. Raises
    :class:`UnsupportedProperty` for what the model does not predict.
    """
    check_properties(model, properties)
    threads = own_threads() if model.shares_work else nullcontext()
    if not isinstance(model, EnergyModel):
        with threads, torch.set_grad_enabled(create_graph):
            return {name: value for name, value in model(graph).items() if name in properties}

    differentiate = bool(GEOMETRIC & set(properties))
    with threads, torch.set_grad_enabled(create_graph or differentiate):
        seen, leaves = _with_leaves(model, graph) if differentiate else (graph, {})
        outputs = model(withhold(seen, model.uses))
        energies = outputs["energies"].double()
        energy = sum_per_segment(energies, graph.structure_index, graph.n_structures)
        results = {**outputs, "energies": energies, "energy": energy}
        if differentiate:
            gradients = _gradients(energy.sum(), leaves, create_graph)
            results["forces"] = _forces(graph, gradients)
            if {"virial", "stress"} & set(properties):
                results["virial"] = _virial(graph, gradients)
                results["stress"] = _stress(results["virial"], graph.cell, graph.pbc)
    return {name: value if create_graph else value.detach() for name, value in results.items() if name in properties}


def hessian(model: Model, graph: Graph) -> Float[Tensor, "C C"]:
    """d²E/dr² of the whole graph in eV/Å², float64, for its C = 3A coordinates: one backward pass for each."""
    if not isinstance(model, EnergyModel) or model.derivatives < 2:
        raise UnsupportedProperty(f"{type(model).__name__} has no Hessian: it declares no second derivatives.")
    with torch.enable_grad():
        positions = graph.positions.detach().requires_grad_()

        def moved(edges: Edges) -> Edges:
            drift = positions - positions.detach()  # zero; carries the derivative and leaves the vectors as they are
            change = drift[edges.receivers] - drift[edges.senders]
            return replace(edges, vectors=edges.vectors.detach() + change.to(edges.vectors.dtype))

        seen = replace(
            graph,
            positions=positions,
            edges=moved(graph.edges),
            long_range=None if graph.long_range is None else moved(graph.long_range),
        )
        energies = model(withhold(seen, model.uses))["energies"]
        if not energies.requires_grad:  # no edges: nothing depends on where the atoms are
            return positions.new_zeros(positions.numel(), positions.numel())
        (slope,) = torch.autograd.grad(energies.double().sum(), positions, create_graph=True)
        if not slope.requires_grad:  # linear in the positions
            return positions.new_zeros(positions.numel(), positions.numel())
        rows = [torch.autograd.grad(component, positions, retain_graph=True)[0] for component in slope.flatten()]
    return torch.stack([row.flatten() for row in rows])


def check_properties(model: Model, properties: Collection[str]) -> None:
    """Refuse what the model does not predict, with :class:`UnsupportedProperty`."""
    known = [prediction.name for prediction in model.predicts]
    unknown = [name for name in properties if name not in known]
    if unknown:
        raise UnsupportedProperty(
            f"{type(model).__name__} does not predict {', '.join(unknown)}. It predicts {', '.join(known)}."
        )


def _with_leaves(model: EnergyModel, graph: Graph) -> tuple[Graph, dict[str, Tensor]]:
    leaves = {"edges": graph.edges.vectors.detach().requires_grad_()}
    seen = replace(graph, edges=replace(graph.edges, vectors=leaves["edges"]))
    if graph.long_range is not None:
        leaves["long_range"] = graph.long_range.vectors.detach().requires_grad_()
        seen = replace(seen, long_range=replace(graph.long_range, vectors=leaves["long_range"]))
    for name in model.uses:
        leaves[name] = getattr(graph, name).detach().requires_grad_()
    return replace(
        seen, positions=leaves.get("positions", graph.positions), cell=leaves.get("cell", graph.cell)
    ), leaves


def _gradients(energy: Tensor, leaves: dict[str, Tensor], create_graph: bool) -> dict[str, Tensor]:
    """dE/dleaf in float64; zero where the energy does not depend on it, as without edges."""
    if not energy.requires_grad:
        return {name: torch.zeros_like(leaf).double() for name, leaf in leaves.items()}
    slopes = torch.autograd.grad(energy, list(leaves.values()), create_graph=create_graph, materialize_grads=True)
    return {name: slope.double() for name, slope in zip(leaves, slopes, strict=True)}


def _edge_lists(graph: Graph) -> dict[str, Edges]:
    return {"edges": graph.edges} | ({} if graph.long_range is None else {"long_range": graph.long_range})


def _forces(graph: Graph, gradients: dict[str, Tensor]) -> Float[Tensor, "A 3"]:
    forces = torch.zeros_like(graph.positions)
    for name, edges in _edge_lists(graph).items():
        forces = forces + sum_per_segment(gradients[name], edges.senders, graph.n_atoms)
        forces = forces - sum_per_segment(gradients[name], edges.receivers, graph.n_atoms)
    return forces - gradients["positions"] if "positions" in gradients else forces


def _virial(graph: Graph, gradients: dict[str, Tensor]) -> Float[Tensor, "S 3 3"]:
    virial = torch.zeros_like(graph.cell)
    terms = [
        (edges.vectors.detach().double(), gradients[name], graph.structure_index[edges.receivers])
        for name, edges in _edge_lists(graph).items()
    ]
    if "positions" in gradients:
        terms.append((graph.positions, gradients["positions"], graph.structure_index))
    for arms, slopes, index in terms:
        if graph.n_structures == 1:
            virial = virial + _summed_products(arms, slopes)[None]
        else:
            virial = virial + sum_per_segment(arms[:, :, None] * slopes[:, None, :], index, graph.n_structures)
    return virial + graph.cell.mT @ gradients["cell"] if "cell" in gradients else virial


def _summed_products(arms: Float[Tensor, "N 3"], slopes: Float[Tensor, "N 3"]) -> Float[Tensor, "3 3"]:
    """Σ arms ⊗ slopes in blocks of rows, so that the order of the sum does not depend on how many threads there are."""
    whole = len(arms) // BLOCK * BLOCK
    blocks = torch.bmm(arms[:whole].reshape(-1, BLOCK, 3).mT, slopes[:whole].reshape(-1, BLOCK, 3))
    return blocks.sum(dim=0) + arms[whole:].T @ slopes[whole:]


def _stress(virial: Float[Tensor, "S 3 3"], cell: Float[Tensor, "S 3 3"], pbc: Tensor) -> Float[Tensor, "S 6"]:
    if not pbc.any():
        return virial.new_full((len(virial), 6), torch.nan)
    volume = (torch.linalg.cross(cell[:, 0], cell[:, 1]) * cell[:, 2]).sum(dim=1).abs()
    volume = torch.where(pbc.any(dim=1) & (volume > SMALLEST_VOLUME), volume, torch.nan)
    symmetric = (virial + virial.mT) / 2
    voigt = symmetric[:, [0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    return voigt / volume[:, None]
