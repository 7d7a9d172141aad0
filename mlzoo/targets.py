"""What a model of a property was trained on: a named value, and how it was scaled; or a yes and no."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from annotated_types import Gt
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, model_validator
from torch import Tensor

from mlzoo.properties import Property

UNITS: Mapping[str, str] = {
    "formation_energy_per_atom": "eV/atom",
    "band_gap": "eV",
    "has_band_gap": "probability",
    "fermi_energy": "eV",
    "log10_bulk_modulus": "log10(GPa)",  # Voigt-Reuss-Hill average
    "log10_shear_modulus": "log10(GPa)",
    "last_phonon_dos_peak": "1/cm",
}
"""The properties that published weights predict, by name."""

UNNAMED = "value"
"""The name of a property that nobody has told us."""


class Target(BaseModel):
    """One property of a structure, as a network gives it: scaled, or as the logit of a probability."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = UNNAMED
    unit: str = ""
    mean: float = 0.0  # in the unit: what the network gives is the deviation from it ...
    std: Annotated[float, Gt(0)] = 1.0  # ... in units of this
    classification: bool = False  # whether the network gives a logit and the property is a probability

    @model_validator(mode="after")
    def _one_or_the_other(self) -> Target:
        if self.classification and (self.mean, self.std) != (0, 1):
            raise ValueError(f"classification has no scale, but mean={self.mean} and std={self.std}")
        return self

    @property
    def property(self) -> Property:
        return Property(self.name, self.unit)

    def of_output(self, output: Float[Tensor, "S"]) -> Float[Tensor, "S"]:
        """The property in its unit, in float64."""
        return output.double().sigmoid() if self.classification else output.double() * self.std + self.mean


def named(name: str | None) -> tuple[dict[str, str], tuple[str, ...]]:
    """Fields ``name`` and ``unit`` of a :class:`Target`, and what the user should hear where nobody knows the name."""
    if name is not None:
        return {"name": name, "unit": UNITS[name]}, ()
    notice = (
        f"the files do not say what they predict, so it is called {UNNAMED!r} and has no unit. "
        f"Name it with target=..., one of {', '.join(UNITS)}."
    )
    return {"name": UNNAMED, "unit": ""}, (notice,)
