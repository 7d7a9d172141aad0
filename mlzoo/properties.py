"""What a prediction is made of: names, units, and whether there is one value a structure or one an atom."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Property:
    """One key of a prediction."""

    name: str
    unit: str
    per: Literal["structure", "atom"] = "structure"
    description: str = ""
    molecular: bool = False  # whether only a structure that is nowhere periodic has it


ENERGY = Property("energy", "eV", description="total energy")
ENERGIES = Property("energies", "eV", "atom", "energy of each atom; they sum to the energy")
FORCES = Property("forces", "eV/Å", "atom", "−dE/dr")
VIRIAL = Property("virial", "eV", description="dE/dstrain, 3 × 3")
STRESS = Property("stress", "eV/Å³", description="virial over volume: xx yy zz yz xz xy, positive in tension")
HESSIAN = Property("hessian", "eV/Å²", description="d²E/dr², 3A × 3A")
CHARGES = Property("charges", "e", "atom", "partial charges; they sum to the total charge")
DIPOLE = Property("dipole", "e·Å", description="about the origin of the coordinates", molecular=True)
POLARIZABILITY = Property("polarizability", "e·Å²/V", description="d(dipole)/d(field), 3 × 3", molecular=True)

DERIVED_FROM_ENERGY = (ENERGY, ENERGIES, FORCES, VIRIAL, STRESS)
"""What every energy model predicts, and what `predict` returns unless told otherwise."""
