"""The two contracts: for models that give energies, and for models of properties that are not derived from one."""

from mlzoo.testing.cells import Cells, Intensive
from mlzoo.testing.derivatives import Derivatives
from mlzoo.testing.handling import Handling
from mlzoo.testing.smoothness import Smoothness
from mlzoo.testing.symmetry import Momentum, Symmetry


class ArchitectureContract(Symmetry, Momentum, Derivatives, Smoothness, Cells, Handling):
    """What every :class:`~mlzoo.model.EnergyModel` has to do, as far as it declares it."""


class PropertyContract(Symmetry, Intensive, Handling):
    """What every :class:`~mlzoo.model.PropertyModel` has to do."""
