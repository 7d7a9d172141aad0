"""The conformance contract: what holds for every architecture, as tests that a plugin's own test class inherits.

    class TestMorse(ArchitectureContract):
        architecture = "morse"
        config = MorseConfig()

Each part is tested as the model declares itself (`mlzoo.model`); what it does not claim is skipped, with the reason.
"""

from mlzoo.testing.contract import ArchitectureContract, PropertyContract
from mlzoo.testing.structures import conditions_for, structures_for

__all__ = ["ArchitectureContract", "PropertyContract", "conditions_for", "structures_for"]
