"""Reference energies: what an element counts for by itself."""

from jaxtyping import Float, Int
from torch import Tensor

from mlzoo.nn.constants import KeepsFloat64


class ReferenceEnergies(KeepsFloat64):
    """One energy for each element, in eV, in float64 whatever the dtype of the network around it."""

    energies: Tensor

    def __init__(self, energies: Float[Tensor, "K"]):
        super().__init__()
        self.register_buffer("energies", energies.double())

    def forward(self, element_index: Int[Tensor, "A"]) -> Float[Tensor, "A"]:
        return self.energies[element_index]
