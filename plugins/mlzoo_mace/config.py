"""What a MACE network is: numbers and choices, whichever package it came from.

A reader folds a package's dialect (normalisations, signs, orders of paths) into the tensors, so nothing here is named
after a package. Irreps are written as in e3nn: ``0e``, ``1o``, ``2e``, ...; a block has the same number of channels in
each of its irreps.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

IrrepName = Annotated[str, Field(pattern=r"^[0-9][eo]$")]
Irreps = tuple[IrrepName, ...]
Width = Annotated[int, Field(gt=0)]
ConditionName = Annotated[str, Field(pattern=r"^[A-Za-z]\w*$")]  # charge, spin, temperature, ...


def degree(irrep: IrrepName) -> int:
    """l of an irrep.

    >>> degree("2e")
    2
    """
    return int(irrep[:-1])


def natural(max_l: int, inversion: bool = True) -> Irreps:
    """The irreps of spherical harmonics up to a degree; all even where ``inversion`` is not looked at.

    >>> natural(2)
    ('0e', '1o', '2e')
    """
    return tuple(f"{l}{'eo'[l % 2 if inversion else 0]}" for l in range(max_l + 1))


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Activation(_Frozen):
    """A scalar function, times a number that keeps its second moment near one."""

    function: Literal["silu", "tanh", "relu", "elu", "sigmoid", "abs", "identity"] = "silu"
    scale: float = 1.0


class PolynomialEnvelope(_Frozen):
    """1 − (p+1)(p+2)/2 x^p + p(p+2) x^(p+1) − p(p+1)/2 x^(p+2), x = r/cutoff."""

    kind: Literal["polynomial"] = "polynomial"
    power: int = Field(default=5, ge=1)


class SoftEnvelope(_Frozen):
    """1.2 e^(1/2) exp(−1/(2(1 − x))), x = r/cutoff: all derivatives vanish at the cutoff."""

    kind: Literal["soft"] = "soft"


class Agnesi(_Frozen):
    """d = 1/(1 + a t^q/(1 + t^(q−p))), t = r over half the sum of the two elements' radii."""

    kind: Literal["agnesi"] = "agnesi"
    a: float
    q: float
    p: float


class SoftTransform(_Frozen):
    """d = a + (r − a)/2 (1 + tanh(steepness (r − (a + b)/2)/(b − a))), with a and b 3/4 and 4/3 of the sum of the radii."""

    kind: Literal["soft"] = "soft"
    steepness: float = 4.0


class Bessel(_Frozen):
    """sin(w_n d)/d; the w_n are tensors."""

    kind: Literal["bessel"] = "bessel"


class Gaussian(_Frozen):
    """exp(−(d − c_n)²/(2 width²)); the c_n are tensors."""

    kind: Literal["gaussian"] = "gaussian"
    width: float = Field(gt=0)  # Å, or of what the distance is transformed to


class Chebyshev(_Frozen):
    """T_n(d), n from 1 on."""

    kind: Literal["chebyshev"] = "chebyshev"


class Radial(_Frozen):
    """How a distance becomes the input of the radial perceptrons."""

    count: Width = 8  # of functions
    functions: Bessel | Gaussian | Chebyshev = Field(default_factory=Bessel, discriminator="kind")
    amplitude: float = 1.0  # of each of them
    envelope: PolynomialEnvelope | SoftEnvelope = Field(default_factory=PolynomialEnvelope, discriminator="kind")
    envelope_on: Literal["basis", "weights"] = "basis"  # before or after the radial perceptron
    transform: Agnesi | SoftTransform | None = Field(default=None, discriminator="kind")


class RadialMLP(_Frozen):
    """From radial functions, and the elements at both ends where asked, to one weight a path and channel."""

    hidden: tuple[Width, ...] = (64, 64, 64)
    activation: Activation = Activation()
    bias: bool = False
    layer_norm: bool = False
    elements: bool = False  # a table for the sender's and one for the receiver's element enter its first layer
    features: bool = False  # or a linear map each of the scalars that the two atoms have

    @model_validator(mode="after")
    def _served(self) -> RadialMLP:
        if (self.elements or self.features) and not self.hidden:
            said = "elements" if self.elements else "features"
            raise ValueError(f"{said}=True needs a hidden layer, which the atoms enter. Add one to `hidden`.")
        if self.elements and self.features:
            raise ValueError("elements and features of the atoms at both ends are not read together. Take one of them.")
        return self


class Coupling(_Frozen):
    """Products of ``order`` features that give one output irrep: how many monomials, how many independent paths."""

    irrep: IrrepName
    order: Width
    monomials: Width
    paths: Width


class Contraction(_Frozen):
    """Symmetric contraction (MACE eq. 10): a sum over couplings, with weights for each element, or the same for all."""

    kind: Literal["symmetric"] = "symmetric"
    couplings: tuple[Coupling, ...]
    by_element: bool = True


class GauntContraction(_Frozen):
    """Products of functions on the sphere: one linear map of the features a factor, then their pointwise product."""

    kind: Literal["gaunt"] = "gaunt"
    order: Width


class Gate(_Frozen):
    """Scalars through ``scalars``, everything else times ``gates`` of scalars of its own."""

    scalars: Activation
    gates: Activation


class Readout(_Frozen):
    """From the scalars of a layer to its part of the outputs, for each head; linear where ``hidden`` is None."""

    hidden: Width | None = None  # of each head
    layers: Width = 1  # hidden ones
    activation: Activation = Activation()
    bias: bool = False  # of all maps but the first

    @model_validator(mode="after")
    def _served(self) -> Readout:
        if self.hidden is None and (self.layers > 1 or self.bias or self.activation != Activation()):
            raise ValueError("layers, activation and bias are those of a perceptron. Say how wide it is in `hidden`.")
        return self


class TensorReadout(_Frozen):
    """From one irrep of a layer's features to its part of an output; linear, or through channels with a gate each."""

    hidden: Width | None = None
    gates: Activation = Activation()  # of linear maps of the scalars, which are zero where a layer has none


class Layer(_Frozen):
    """One interaction, one product, and what is read from them."""

    inputs: Irreps
    input_channels: Width
    up: Irreps  # of what senders send
    up_channels: Width
    messages: Irreps  # of what receivers collect
    channels: Width
    outputs: Irreps
    radial_mlp: RadialMLP = RadialMLP()
    pair_factors: bool = False  # a factor for each pair of elements, path and channel
    density: RadialMLP | None = None  # divides messages by α + β Σ tanh(f²): a count of neighbours that is learned
    gate: Gate | None = None  # non-linearity on the messages, with a residual from ``up``
    mix_elements: bool = False  # linear map of the messages, one for each element
    residual: Literal["none", "elements", "linear"] = "elements"  # from the layer's input to its output
    contraction: Contraction | GauntContraction = Field(discriminator="kind")
    node_gates: bool = False  # factors from the contracted scalars on all that was contracted
    soft_norm: float | None = Field(default=None, gt=0)  # x / (1 + n sus(n)), n = |x|/sqrt(2l+1)/soft_norm
    readout: Readout | None = Readout()
    tensor_readouts: dict[IrrepName, TensorReadout] = {}

    @property
    def reads_features(self) -> bool:
        """Whether radial functions depend on what the atoms at both ends are like."""
        return self.radial_mlp.features or (self.density is not None and self.density.features)

    @model_validator(mode="after")
    def _consistent(self) -> Layer:
        for name in ("inputs", "up", "messages", "outputs"):
            irreps = getattr(self, name)
            if not irreps or len(set(irreps)) < len(irreps):
                raise ValueError(f"{name}={irreps}: one irrep at least, and each once")
        unsent = set(self.up) - set(self.inputs)
        if unsent:
            raise ValueError(f"up={self.up} has {', '.join(sorted(unsent))}, which inputs={self.inputs} do not have")
        if "0e" not in self.outputs and (self.readout or self.node_gates):
            raise ValueError(f"outputs={self.outputs} have no 0e, which a readout and node_gates read")
        if "0e" not in self.inputs and self.reads_features:
            raise ValueError(f"inputs={self.inputs} have no 0e, which radial functions read")
        if self.gate and "0e" not in self.messages:
            raise ValueError(f"messages={self.messages} have no 0e, which a gate needs")
        if self.gate and self.mix_elements:
            raise ValueError("gate and mix_elements are both maps behind the messages. Take one of them.")
        unread = set(self.tensor_readouts) - set(self.outputs)
        if unread:
            raise ValueError(f"outputs={self.outputs} have no {', '.join(sorted(unread))}, which tensor_readouts read")
        if isinstance(self.contraction, Contraction):
            given = {coupling.irrep for coupling in self.contraction.couplings}
            for one, other in ((set(self.outputs), given), (given, set(self.outputs))):
                if one - other:
                    raise ValueError(
                        f"outputs={self.outputs} and those of the contraction differ by {', '.join(sorted(one - other))}"
                    )
        elif not {*self.messages, *self.outputs} <= set(natural(9)):
            raise ValueError("a Gaunt product is one of functions on the sphere: their irreps are 0e, 1o, 2e, ...")
        return self


class Embedded(_Frozen):
    """A whole number of the structure that enters the first features by a table: row = offset + value, or place of value."""

    condition: ConditionName
    classes: Width
    offset: int = 0
    values: tuple[int, ...] | None = None  # where given: row 1 + place in this list
    default: int | None = 0  # without one it has to be given


class EmbeddedNumber(_Frozen):
    """A number of the structure that enters the first features by a perceptron of one hidden layer."""

    condition: ConditionName
    hidden: Width
    activation: Activation = Activation()
    default: float | None = None  # without one it has to be given


class Embedding(_Frozen):
    """First features: a row for the element, plus ``joint``(a row for the element, and what conditions add)."""

    joint: Activation | None = None
    conditions: tuple[Embedded | EmbeddedNumber, ...] = ()
    readout: bool = False  # a linear readout of the first features

    @model_validator(mode="after")
    def _served(self) -> Embedding:
        names = [each.condition for each in self.conditions]
        if names and not self.joint:
            raise ValueError(f"conditions {', '.join(names)} enter through `joint`, which is None. Give an activation.")
        if len({*names, "head"}) <= len(names):
            raise ValueError(f"conditions {', '.join(names)}: each name once, and none of them `head`")
        return self


class ZBL(_Frozen):
    """Ziegler–Biersack–Littmark repulsion of each pair, switched off at the sum of the two radii."""

    prefactor: float  # of the screening length, Å
    exponent: float
    power: int = Field(ge=1)  # of the polynomial envelope


class Charges(_Frozen):
    """Partial charges, shifted to add up to the total charge; with a Coulomb energy where there is a cutoff."""

    coulomb_cutoff: float | None = Field(default=None, gt=0)  # Å


class MaceConfig(_Frozen):
    """All of it. Energy of an atom: E0 + shift + scale (readouts + ZBL), Coulomb energy not scaled.

    Dipole: sum of vectors read at atoms (``1o``) and of charges times positions. Polarizability: sum of traces (``0e``)
    and traceless tensors (``2e``).
    """

    elements: tuple[Annotated[int, Field(ge=1, le=118)], ...] = Field(min_length=1)  # atomic numbers, ascending
    cutoff: float = Field(gt=0)  # Å
    max_l: int = Field(ge=0, le=6)  # of the spherical harmonics
    inversion: bool = True  # harmonics of odd degree are odd; without, the network knows rotations only
    rounded_symbols: bool = False  # convolutions in float64 too have 3j symbols of float32, as the original's code does
    heads: tuple[str, ...] = Field(default=("default",), min_length=1)
    default_head: str | None = "default"
    radial: Radial = Radial()
    embedding: Embedding = Embedding()
    layers: tuple[Layer, ...] = Field(min_length=1)
    zbl: ZBL | None = None
    charges: Charges | None = None
    energy: bool = True
    dipole: bool = False
    polarizability: bool = False

    @property
    def scalars(self) -> tuple[str, ...]:
        """What readouts of scalars give, in this order."""
        there = {"energy": self.energy, "charge": self.charges is not None, "trace": self.polarizability}
        return tuple(name for name, said in there.items() if said)

    @property
    def tensors(self) -> Irreps:
        """What readouts of tensors give."""
        return (*(("1o",) if self.dipole else ()), *(("2e",) if self.polarizability else ()))

    @model_validator(mode="after")
    def _outputs(self) -> MaceConfig:
        if not self.scalars and not self.tensors:
            raise ValueError("energy=False, and nothing else to predict. Ask for a dipole or a polarizability.")
        for layer in self.layers:
            if layer.readout and not self.scalars:
                raise ValueError(
                    "no scalar is predicted, but a layer has a readout of scalars. Set its readout to None."
                )
            if unasked := set(layer.tensor_readouts) - set(self.tensors):
                raise ValueError(f"nothing that is predicted is read from {', '.join(sorted(unasked))}")
        if not self.energy and (self.zbl or self.embedding.readout or (self.charges and self.charges.coulomb_cutoff)):
            raise ValueError("energy=False, but zbl, embedding.readout and charges.coulomb_cutoff are of an energy")
        if self.tensors and len(self.heads) > 1:
            raise ValueError(f"a dipole or polarizability has one head, not {len(self.heads)}")
        if self.energy and self.charges and self.dipole:
            raise ValueError("a dipole of charges needs energy=False: an energy must not see positions")
        return self

    @model_validator(mode="after")
    def _consistent(self) -> MaceConfig:
        if list(self.elements) != sorted(set(self.elements)):
            raise ValueError(f"elements={self.elements} must ascend, each once")
        if len(set(self.heads)) < len(self.heads):
            raise ValueError(f"heads={self.heads}: each name once")
        if self.default_head is not None and self.default_head not in self.heads:
            raise ValueError(f"default_head={self.default_head!r} is none of the heads {', '.join(self.heads)}")
        if self.layers[0].inputs != ("0e",):
            raise ValueError(f"the first layer's inputs={self.layers[0].inputs}: what is embedded are scalars, 0e")
        if self.energy and not any(layer.readout for layer in self.layers):
            raise ValueError("no layer has a readout, so there is no energy. Give the last one a `readout`.")
        for before, after in zip(self.layers, self.layers[1:], strict=False):
            if (before.outputs, before.channels) != (after.inputs, after.input_channels):
                raise ValueError(
                    f"a layer gives {before.channels} x {before.outputs}, the next expects "
                    f"{after.input_channels} x {after.inputs}"
                )
        return self
