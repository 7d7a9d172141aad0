"""The ASE calculator of any model that predicts something ASE has a name for."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes, all_properties

from mlzoo.committees import Committee
from mlzoo.conditions import COMMON
from mlzoo.errors import UnsupportedProperty
from mlzoo.neighbors import SkinList
from mlzoo.predictor import Predictor
from mlzoo.structures import structure_from


class MlzooCalculator(Calculator):
    """Energy, forces, stress, dipole and whatever else the model predicts, for ASE.

    ``skin`` in Å keeps a neighbour list over several steps of a simulation; the numbers stay those of a fresh list.
    ``conditions`` (``charge=``, ``head=``, ...) override what ``atoms.info`` carries; both belong to the cache key.
    ``parameters`` state model, device, dtype and the rest, JSON-safe, so that an ASE database keeps them.
    """

    def __init__(self, predictor: Predictor | Committee, *, skin: float = 0.0, **conditions: Any):
        predicted = [prediction.name for prediction in predictor.model.predicts]
        if not set(predicted) & set(all_properties):
            raise UnsupportedProperty(
                f"{predictor.name} predicts {', '.join(predicted)}, no energy: use predict() instead of a calculator."
            )
        if skin and predictor.model.edge_order != "any":
            raise UnsupportedProperty(
                f"skin={skin} would change the order of the neighbour list, and with it the numbers of {predictor.name} "
                "as it was loaded. Use skin=0, or load it in a convention that does not depend on the order."
            )
        predictor.check_conditions(conditions)
        self.predictor = predictor
        self.conditions = conditions
        self.names = tuple(prediction.name for prediction in predictor.predicts)
        self.implemented_properties = [*self.names, *(["free_energy"] if "energy" in self.names else [])]
        self._skin = SkinList(predictor.cutoff, skin) if skin else None
        self._carried: dict[str, Any] = {}
        super().__init__(skin=skin, **conditions, **predictor.provenance)

    def check_state(self, atoms: Atoms, tol: float = 1e-15) -> list[str]:
        """What has changed since the last answer: to the last digit, which is quicker to tell than ``tol``."""
        known = self.atoms
        if known is None:
            return list(all_changes)
        changes = [
            name for name in ("positions", "numbers") if not np.array_equal(atoms.arrays[name], known.arrays[name])
        ]
        changes += [name for name in ("cell", "pbc") if not np.array_equal(getattr(atoms, name), getattr(known, name))]
        return changes if self._carries(atoms) == self._carried else [*changes, "info"]

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        structure = structure_from(self.atoms)
        pairs = None
        if self._skin is not None:
            pairs = self._skin.pairs(structure.positions, structure.cell, structure.pbc)
        self.results = self.predictor.answer(structure, self.names, self.conditions, pairs, demanded=properties or ())
        if "energy" in self.results:
            self.results["free_energy"] = self.results["energy"]
        self._carried = self._carries(self.atoms)

    def _carries(self, atoms: Atoms) -> dict[str, Any]:
        """What of ``atoms.info`` the model listens to, or warns that it does not."""
        names = {*COMMON, *(condition.name for condition in self.predictor.model.conditions)}
        return {name: atoms.info[name] for name in names if name in atoms.info}
