"""How a MACE is trained: what follows from the data, and what its first weights are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlzoo.errors import InvalidTraining
from mlzoo.plugin import ParameterGroup, Training
from mlzoo_mace.design import Design, basis_of

if TYPE_CHECKING:
    from torch import Tensor

    from mlzoo.training.statistics import Statistics
    from mlzoo_mace.layer import MaceLayer
    from mlzoo_mace.model import Mace


def complete(fields: Mapping[str, Any], known: Statistics) -> Mapping[str, Any]:
    """A whole config as it stands, or one designed from a few numbers. Of several heads none is the one that is meant."""
    own: dict[str, Any] = {"elements": known.elements, "heads": tuple(known.heads)}
    own["default_head"] = own["heads"][0] if len(own["heads"]) == 1 else None
    if "charges" in known.targets:
        own["charges"] = {}
    if isinstance(fields.get("layers"), list):
        if fields.get("energy") is False:
            raise InvalidTraining("model.config.energy=False: mlzoo trains MACE on energies. Leave it out.")
        return {**own, **fields}
    return {**own, **Design(**fields).config()}


def prepare(model: Mace, known: Statistics) -> None:
    """Couplings, radii, reference energies and scale; sums over neighbours are divided by how many there are."""
    import torch
    from ase.data import covalent_radii

    radii = torch.from_numpy(covalent_radii[list(model.elements)])
    for part in (model.radial.radii, model.zbl.radii if model.config.zbl else None):
        if part is not None:
            part.copy_(radii)
    for layer in model.layers:
        _prepare_layer(layer, known.mean_neighbours, len(model.elements))  # type: ignore[arg-type]
    for row, name in enumerate(model.config.heads):
        head = known.head if len(known.heads) == 1 else known.heads.get(name)
        if head is None:
            raise InvalidTraining(f"model.config.heads has {name}, of which data.heads has no structures.")
        for column, z in enumerate(model.elements):
            model.table.references[row, column] = head.references.get(z, 0.0)
        model.table.scale[row], model.table.shift[row] = head.scale, head.shift


def _prepare_layer(layer: MaceLayer, neighbours: float, elements: int) -> None:
    by, contraction = layer.by, layer.contraction
    for coupling, term in zip(getattr(by.contraction, "couplings", ()), getattr(contraction, "terms", ()), strict=True):
        monomials, couplings = basis_of(by.messages, coupling.order, by.outputs)[coupling.irrep]
        term.monomials.copy_(monomials)
        term.couplings.copy_(couplings)
    if by.density is None:  # which counts neighbours itself
        for weight in layer.down.weights.values():
            weight.data /= neighbours
    elif by.gate:
        layer.density_constant.data.fill_(neighbours)
        layer.density_slope.data.zero_()
    if by.residual == "elements":
        for weight in layer.residual.weights.values():
            weight.data /= elements**0.5


def groups(model: Mace) -> list[ParameterGroup]:
    """Each tensor by the size of its entries: factors that other codes keep beside their weights are part of ours."""
    by_size: dict[float, list[Tensor]] = {}
    for parameter in model.parameters():
        size = float(parameter.detach().double().square().mean().sqrt()) or 1.0
        by_size.setdefault(size, []).append(parameter)
    return [ParameterGroup(parameters, size) for size, parameters in by_size.items()]


def form(model: Mace) -> Mace:
    """Compiled loops, and one radial function for both edges of a pair."""
    from mlzoo_mace.kernels.learning.form import CompiledMace

    return CompiledMace(model)


TRAINING = Training(complete=complete, prepare=prepare, groups=groups, form=form, heads=True)
