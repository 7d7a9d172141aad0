"""How a MACE is designed and trained: a few numbers as in the paper, and what follows from the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from mlzoo.errors import InvalidTraining
from mlzoo.plugin import ParameterGroup, Training
from mlzoo_mace.config import Charges, Irreps, Width, natural

if TYPE_CHECKING:
    from torch import Tensor

    from mlzoo.training.statistics import Statistics
    from mlzoo_mace.layer import MaceLayer
    from mlzoo_mace.model import Mace

SILU = 1.6791767923989418
"""1/sqrt(E[silu(x)²]) for x of the normal distribution: keeps the second moment of what goes through at one."""


class Design(BaseModel):
    """A MACE as in Batatia et al. 2022: the numbers that its papers name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cutoff: float = Field(default=5.0, gt=0)  # Å
    channels: Width = 64
    hidden_degree: int = Field(default=1, ge=0, le=3)  # L of the features that layers hand on
    max_l: int = Field(default=3, ge=0, le=4)  # of the spherical harmonics
    correlation: int = Field(default=3, ge=1, le=3)  # ν: body order less one
    layers: int = Field(default=2, ge=1)
    num_bessel: Width = 8
    radial_hidden: tuple[Width, ...] = (64, 64, 64)
    readout_hidden: Width = 16  # of the last layer; the others read linearly
    charges: Charges | None = None  # partial charges, which are there as well where the data have them as a target

    def config(self) -> dict[str, Any]:
        """Fields of ``MaceConfig``, but for those that follow from the data."""
        messages, silu = natural(self.max_l), {"function": "silu", "scale": SILU}
        layers, inputs = [], natural(0)
        for layer in range(self.layers):
            last = layer == self.layers - 1
            outputs = natural(0 if last else min(self.hidden_degree, self.max_l))
            layers.append(
                {
                    "inputs": inputs, "input_channels": self.channels, "up": inputs, "up_channels": self.channels,
                    "messages": messages, "channels": self.channels, "outputs": outputs,
                    "radial_mlp": {"hidden": self.radial_hidden, "activation": silu},
                    "contraction": {"kind": "symmetric", "couplings": _couplings(messages, outputs, self.correlation)},
                    "readout": {"hidden": self.readout_hidden, "activation": silu} if last else {},
                }
            )  # fmt: skip
            inputs = outputs
        radial = {"count": self.num_bessel, "amplitude": (2 / self.cutoff) ** 0.5}
        fields = {"cutoff": self.cutoff, "max_l": self.max_l, "radial": radial, "layers": layers}
        return fields if self.charges is None else {**fields, "charges": self.charges}


def complete(fields: Mapping[str, Any], known: Statistics) -> Mapping[str, Any]:
    """A whole config as it stands, or one designed from a few numbers. Of several heads none is the one that is meant."""
    own: dict[str, Any] = {"elements": known.elements, "heads": tuple(known.heads)}
    own["default_head"] = own["heads"][0] if len(own["heads"]) == 1 else None
    if "charges" in known.targets:
        own["charges"] = {}
    if isinstance(fields.get("layers"), list):
        return {**own, **fields}
    return {**own, **Design(**fields).config()}


def prepare(model: Mace, known: Statistics) -> None:
    """Couplings, reference energies and scale; sums over neighbours are divided by how many there are."""
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
        monomials, couplings = _basis(by.messages, coupling.order, by.outputs)[coupling.irrep]
        term.monomials.copy_(monomials)
        term.couplings.copy_(couplings)
    for weight in layer.down.weights.values():
        weight.data /= neighbours
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
    from mlzoo_mace.kernels.learning import CompiledMace

    return CompiledMace(model)


def _couplings(messages: Irreps, outputs: Irreps, correlation: int) -> list[dict[str, Any]]:
    found = []
    for order in range(correlation, 0, -1):
        for irrep, (monomials, couplings) in _basis(messages, order, outputs).items():
            paths = couplings.shape[2]
            found.append({"irrep": irrep, "order": order, "monomials": len(monomials), "paths": paths})
    return found


def _basis(messages: Irreps, order: int, outputs: Irreps) -> dict[str, tuple[Tensor, Tensor]]:
    """Monomials and couplings of each output irrep."""
    from mlzoo_mace.readers.bases import symmetric_basis
    from mlzoo_mace.readers.couplings import polynomial

    basis = symmetric_basis(messages, order, outputs)
    return {irrep: polynomial(tensor) for irrep, tensor in basis.items()}


TRAINING = Training(complete=complete, prepare=prepare, groups=groups, form=form, heads=True)
