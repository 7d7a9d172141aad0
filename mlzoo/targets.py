"""What a model of a property was trained on: a named value, and how it was scaled; or a yes and no."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Gt
from pydantic import BaseModel, ConfigDict, model_validator

from mlzoo.errors import UnreadableFile
from mlzoo.properties import Property

PROBABILITY = "probability"

UNITS: Mapping[str, str] = {
    "formation_energy_per_atom": "eV/atom",
    "band_gap": "eV",
    "has_band_gap": PROBABILITY,
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

    def of_output(self, output: Any) -> Any:
        """The property in its unit, (S,) in float64, from the network's output, (S,)."""
        return output.double().sigmoid() if self.classification else output.double() * self.std + self.mean


def target_of(
    path: Path, name: str | None, classification: bool, scaling: Mapping[str, float]
) -> tuple[Target, tuple[str, ...]]:
    """The target of a model of a property, and what the user should hear where nobody knows its ``name``.

    Raises :class:`UnreadableFile` for a yes or no under the name of an amount, and the other way round.
    """
    if name is None:
        notice = (
            f"the files do not say what they predict, so it is called {UNNAMED!r} and has no unit. "
            f"Name it with target=..., one of {', '.join(UNITS)}."
        )
        unit = PROBABILITY if classification else ""
        return Target(unit=unit, classification=classification, **scaling), (notice,)  # type: ignore[arg-type]
    if classification != (UNITS[name] == PROBABILITY):
        kind, other = ("a probability", "an amount") if classification else ("an amount", "a probability")
        raise UnreadableFile(f"{path} predicts {kind}, and target={name!r} is {other}. Choose another name, or none.")
    return Target(name=name, unit=UNITS[name], classification=classification, **scaling), ()
