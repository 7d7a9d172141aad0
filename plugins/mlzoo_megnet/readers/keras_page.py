"""The JSON page beside a Keras file: how graphs are made, what is predicted and how that was scaled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlzoo.errors import UnreadableFile
from mlzoo_megnet.config import GaussianExpansion

NAMES = {  # on the page -> ours
    "Formation energy": "formation_energy_per_atom",
    "Band gap regressor": "band_gap",
    "Band gap classifier": "has_band_gap",
    "Fermi energy": "fermi_energy",
    "log10 of bulk moduli": "log10_bulk_modulus",
    "log10 of shear moduli": "log10_shear_modulus",
}
ALL_WITHIN_THE_CUTOFF = (None, "MinimumDistanceNNAll")  # ways of choosing neighbours


class Page:
    """What is served of it; anything else is a ``ValueError`` or a ``KeyError``."""

    def __init__(self, path: Path):
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            raise UnreadableFile(f"{path} is no JSON page of a MEGNet: {error}. Fetch it again.") from error
        if not isinstance(said, dict):
            raise UnreadableFile(f"{path} holds a {type(said).__name__}, not the page of a MEGNet. Fetch it again.")
        self._said: Mapping[str, Any] = said

    @property
    def name(self) -> str | None:
        """Of what is predicted, as we call it."""
        return NAMES.get(self._said.get("metadata", {}).get("name"))

    @property
    def cutoff(self) -> float:
        return _converter(self._said, "graph")["cutoff"]

    def gaussians(self) -> tuple[GaussianExpansion, np.ndarray]:
        """The expansion of distances, and its centres as TensorFlow rounded them."""
        graph = _converter(self._said, "graph")
        atoms, bonds = _converter(graph, "atom"), _converter(graph, "bond")
        if graph["@class"] != "CrystalGraph" or atoms["@class"] not in ("DummyConverter", "DummyConvertor"):
            raise ValueError(f"graphs of class {graph['@class']} with atoms from {atoms['@class']} are not served")
        if (graph.get("nn_strategy") or {}).get("@class") not in ALL_WITHIN_THE_CUTOFF:
            raise ValueError(f"neighbours by {graph['nn_strategy']['@class']} are not served")
        if bonds["@class"] != "GaussianDistance":
            raise ValueError(f"bonds from {bonds['@class']} are not served")
        centres = np.array(bonds["centers"]["data"])
        if not np.allclose(centres, np.linspace(0, centres[-1], len(centres)), rtol=0, atol=1e-6):
            raise ValueError("centres of Gaussians that are not equidistant from 0 on are not served")
        expansion = GaussianExpansion(last=centres[-1], count=len(centres), exponent=1 / bonds["width"] ** 2)
        return expansion, centres.astype(np.float32)

    def scaling(self) -> dict[str, float]:
        """Mean and standard deviation of the target; empty where it is not scaled."""
        scaler = self._said.get("target_scaler") or {"@class": "DummyScaler"}
        if scaler["@class"] == "DummyScaler":
            return {}
        if scaler["@class"] != "StandardScaler" or not scaler.get("is_intensive", True):
            raise ValueError(f"a target scaled by {scaler} is not served")
        return {"mean": scaler["mean"], "std": scaler["std"]}


def _converter(said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Early files write "convertor"."""
    return said[f"{name}_converter"] if f"{name}_converter" in said else said[f"{name}_convertor"]
