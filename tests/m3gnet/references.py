"""What MatGL and its repaired forms answer for the published weights, as ``../shared/references/matgl`` holds it."""

import json
from functools import cache
from pathlib import Path

import numpy as np

from mlzoo.neighbors import Pairs
from mlzoo.structures import Structure

POTENTIALS = [
    "M3GNet-MP-2021.2.8-PES",
    "M3GNet-MatPES-PBE-v2025.1-PES",
    "M3GNet-MatPES-r2SCAN-v2025.1-PES",
    "M3GNet-r2SCAN-NaBH",
    "M3GNet-ANI-1x-Subset-PES",
]


@cache
def structures(shared: Path) -> dict[str, Structure]:
    said = json.loads((shared / "references/matgl/structures.json").read_text())
    return {
        name: Structure(
            np.array(s["numbers"]), np.array(s["positions"], float), np.array(s["cell"], float), np.array(s["pbc"]), {}
        )
        for name, s in said.items()
    }


@cache
def answers(shared: Path, model: str, convention: str, dtype: str = "f64") -> dict[str, dict]:
    return json.loads((shared / f"references/matgl/{model}.{convention}.{dtype}.json").read_text())["results"]


def published_edges(shared: Path, name: str) -> Pairs:
    """MatGL's own edge list in its own order; its centre is our receiver."""
    src, dst, *shifts = np.load(shared / "references/matgl/edges.npz")[name].T.astype(np.int64)
    return Pairs(dst.copy(), src.copy(), -np.stack(shifts, axis=1))
