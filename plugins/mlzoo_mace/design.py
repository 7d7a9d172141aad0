"""How a MACE is designed: a few numbers and choices as in the papers, and the config that they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mlzoo_mace.config import Charges, Embedded, EmbeddedNumber, IrrepName, Irreps, Width, natural

if TYPE_CHECKING:
    from torch import Tensor

SCALES = {
    "silu": 1.6791767923989418,
    "sigmoid": 1.846705534215476,
    "tanh": 1.593733447259269,
    "abs": 1.0,
    "identity": 1.0,
}
"""1/sqrt(E[f(x)²]) for x of the normal distribution: keeps the second moment of what goes through at one."""
LARGEST_BASIS = 40_000  # numbers in a tensor of all components to the power of the correlation

Interaction = Literal["plain", "residual", "density", "density_residual", "attention", "non_linear"]
TRANSFORMS: Mapping[str, Mapping[str, Any]] = {
    "agnesi": {"kind": "agnesi", "a": 1.0805, "q": 0.9183, "p": 4.5791},
    "soft": {"kind": "soft", "steepness": 4.0},
}
REPULSION: Mapping[str, float] = {"prefactor": 0.4543 * 0.529, "exponent": 0.3}  # Å


class Design(BaseModel):
    """A MACE as in Batatia et al. 2022: the numbers that its papers name, and what mace-torch lets one choose."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cutoff: float = Field(default=5.0, gt=0)  # Å
    channels: Width = 64
    hidden_degree: int = Field(default=1, ge=0, le=3)  # L of the features that layers hand on
    max_l: int = Field(default=3, ge=0, le=4)  # of the spherical harmonics
    inversion: bool = True  # without, the network knows rotations only
    correlation: int | tuple[int, ...] = 3  # ν: body order less one; of all layers, or of each
    layers: int = Field(default=2, ge=1)
    num_bessel: Width = 8  # radial functions, of whatever kind
    radial_functions: Literal["bessel", "gaussian", "chebyshev"] = "bessel"
    distance_transform: Literal["agnesi", "soft"] | None = None
    envelope_power: int = Field(default=5, ge=1)
    envelope_on: Literal["basis", "weights"] = "basis"
    radial_hidden: tuple[Width, ...] = (64, 64, 64)
    interaction: Interaction = "residual"
    first_interaction: Interaction | None = None  # where it is another one
    edge_channels: Width | None = None  # of what is sent, where fewer than ``channels``; not in the first layer
    edge_degree: int | None = Field(default=None, ge=0, le=3)  # L of it, where less than ``hidden_degree``
    agnostic_product: bool = False  # the same weights of products for all elements
    readout_hidden: Width = 16  # of the last layer; the others read linearly
    readout_layers: Width = 1  # hidden ones
    readout_bias: bool = False
    readout_activation: Literal["silu", "tanh", "abs", "identity"] = "silu"
    last_readout_only: bool = False
    conditions: tuple[Embedded | EmbeddedNumber, ...] = ()  # charge, spin, temperature, ... in the first features
    embedding_readout: bool = False
    repulsion: bool = False  # Ziegler–Biersack–Littmark, within the sum of the covalent radii
    charges: Charges | None = None  # partial charges, which are there as well where the data have them as a target

    @model_validator(mode="after")
    def _served(self) -> Design:
        if isinstance(self.correlation, tuple) and len(self.correlation) != self.layers:
            raise ValueError(f"correlation={self.correlation} names {len(self.correlation)} layers of {self.layers}")
        highest = max(self.correlations)
        if not 1 <= min(self.correlations) <= highest <= 4 or (self.max_l + 1) ** (2 * highest) > LARGEST_BASIS:
            raise ValueError(f"correlation={self.correlation} with max_l={self.max_l}: 1 to 3, or 4 up to max_l=2")
        return self

    @property
    def correlations(self) -> tuple[int, ...]:
        return self.correlation if isinstance(self.correlation, tuple) else (self.correlation,) * self.layers

    def config(self) -> dict[str, Any]:
        """Fields of ``MaceConfig``, but for those that follow from the data."""
        layers: list[dict[str, Any]] = []
        for layer in range(self.layers):
            inputs = layers[-1]["outputs"] if layers else natural(0)
            layers.append(self._layer(layer, inputs))
        fields: dict[str, Any] = {
            "cutoff": self.cutoff, "max_l": self.max_l, "inversion": self.inversion, "radial": self._radial(),
            "layers": layers,
        }  # fmt: skip
        if self.conditions or self.embedding_readout:
            joint = {"function": "silu"} if self.conditions else None
            fields["embedding"] = {
                "joint": joint, "conditions": self.conditions, "readout": self.embedding_readout,
            }  # fmt: skip
        if self.repulsion:
            fields["zbl"] = {**REPULSION, "power": self.envelope_power}
        return fields if self.charges is None else {**fields, "charges": self.charges}

    def _radial(self) -> dict[str, Any]:
        functions: dict[str, Any] = {"kind": self.radial_functions}
        if self.radial_functions == "gaussian":
            functions["width"] = self.cutoff / max(self.num_bessel - 1, 1)
        return {
            "count": self.num_bessel,
            "functions": functions,
            "amplitude": (2 / self.cutoff) ** 0.5 if self.radial_functions == "bessel" else 1.0,
            "envelope": {"kind": "polynomial", "power": self.envelope_power},
            "envelope_on": self.envelope_on,
            "transform": TRANSFORMS[self.distance_transform] if self.distance_transform else None,
        }

    def _layer(self, layer: int, inputs: Irreps) -> dict[str, Any]:
        last = layer == self.layers - 1
        kind = self.first_interaction or self.interaction if layer == 0 else self.interaction
        messages = natural(self.max_l, self.inversion)
        outputs = messages[:1] if last else messages[: self.hidden_degree + 1]
        sent = inputs if self.edge_degree is None else inputs[: self.edge_degree + 1]
        couplings = couplings_of(messages, outputs, self.correlations[layer])
        return {
            "inputs": inputs, "input_channels": self.channels,
            "up": sent, "up_channels": self.channels if layer == 0 else self.edge_channels or self.channels,
            "messages": messages, "channels": self.channels, "outputs": outputs,
            "radial_mlp": self._perceptron(kind, self.radial_hidden),
            "density": self._density(kind),
            "gate": {"scalars": activation("silu"), "gates": activation("sigmoid")}
            if kind == "non_linear" else None,
            "mix_elements": kind in ("plain", "density"),
            "residual": {"plain": "none", "density": "none", "attention": "linear", "non_linear": "linear"}.get(
                kind, "elements"
            ),
            "contraction": {"kind": "symmetric", "couplings": couplings, "by_element": not self.agnostic_product},
            "readout": self._readout(last),
        }  # fmt: skip

    @staticmethod
    def _perceptron(kind: Interaction, hidden: tuple[int, ...]) -> dict[str, Any]:
        if kind == "non_linear":
            own = {"bias": True, "layer_norm": True, "elements": True}
            return {"hidden": hidden, "activation": {"function": "silu"}, **own}
        return {"hidden": hidden, "activation": activation("silu"), "features": kind == "attention"}

    def _density(self, kind: Interaction) -> dict[str, Any] | None:
        if kind == "non_linear":
            return self._perceptron(kind, (64,))
        return {"hidden": ()} if kind in ("density", "density_residual") else None

    def _readout(self, last: bool) -> dict[str, Any] | None:
        if not last:
            return None if self.last_readout_only else {}
        return {
            "hidden": self.readout_hidden, "layers": self.readout_layers,
            "activation": activation(self.readout_activation), "bias": self.readout_bias,
        }  # fmt: skip


def activation(function: str) -> dict[str, Any]:
    """A function with its scale, as a config has it."""
    return {"function": function, "scale": SCALES[function]}


def couplings_of(messages: Irreps, outputs: Irreps, correlation: int) -> list[dict[str, Any]]:
    """What a contraction's config says of each output at each order, the highest first."""
    found = []
    for order in range(correlation, 0, -1):
        for irrep, (monomials, couplings) in basis_of(messages, order, outputs).items():
            paths = couplings.shape[2]
            found.append({"irrep": irrep, "order": order, "monomials": len(monomials), "paths": paths})
    return found


def basis_of(messages: Irreps, order: int, outputs: Irreps) -> dict[IrrepName, tuple[Tensor, Tensor]]:
    """Monomials and couplings of each output irrep."""
    from mlzoo_mace.readers.bases import symmetric_basis
    from mlzoo_mace.readers.couplings import polynomial

    basis = symmetric_basis(messages, order, outputs)
    return {irrep: polynomial(tensor) for irrep, tensor in basis.items()}
