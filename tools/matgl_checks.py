"""Writes `model_cards/checks/NAME.json` for the M3GNet weights whose numbers MatGL itself, or its repaired form, has given.

    python tools/matgl_checks.py path/to/shared

takes them from `references/matgl` in that folder, in float64, for a few small structures of each model.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from mlzoo.checks import TOLERANCES

CARDS = Path(__file__).parents[1] / "model_cards"
ORIGINS = {
    "dstfix": "matgl 4.1.2, node messages summed at the neighbour end",
    "legacy": "matgl 2.0.6",
}
UNAFFECTED = "matgl 2.0.6, legacy; dstfix is the same network here, as both cutoffs are 5 Å"
VALUES = {  # ours -> theirs
    "energy": "energy",
    "energies": "atomic_energies",
    "forces": "forces",
    "stress": "stress_voigt_eV_A3",
    "formation_energy_per_atom": "value",
}
UNIVERSAL: dict[str, tuple[str, ...]] = {
    "dstfix": ("nacl8", "al_slab_ttf", "ethanol"),
    "legacy": ("nacl8", "si8_rattled"),
}
STRUCTURES: dict[str, dict[str, tuple[str, ...]]] = {  # folder -> convention -> structures
    "M3GNet-MP-2021.2.8-PES": UNIVERSAL,
    "M3GNet-MatPES-PBE-v2025.1-PES": UNIVERSAL,
    "M3GNet-MatPES-r2SCAN-v2025.1-PES": UNIVERSAL,
    "M3GNet-r2SCAN-NaBH": {"dstfix": ("nabh4", "b2h6"), "legacy": ("nabh4", "b2h6")},
    "M3GNet-ANI-1x-Subset-PES": {
        "dstfix": ("ethanol", "methylamine", "water_box"),
        "legacy": ("ethanol", "methylamine"),
    },
    "M3GNet-MP-2018.6.1-Eform": {
        "dstfix": ("nacl8", "triclinic_catio3", "al_slab_ttf"),
        "legacy": ("nacl8", "triclinic_catio3"),
    },
}
NAMES = {"M3GNet-ANI-1x-Subset-PES": "m3gnet-pes-ani-1x-subset"}  # where the Hub's name is another one


def checks(references: Path, folder: str) -> dict[str, Any]:
    """Everything that ``model_cards/checks`` holds about one weight."""
    structures = json.loads((references / "structures.json").read_text(encoding="utf-8"))
    return {
        "origin": "MatGL, as it was or with one repair, in float64; each check says which",
        "tolerances": TOLERANCES,
        "checks": [
            {
                "options": {"convention": convention},
                "origin": origin,
                **{key: structures[name][key] for key in ("numbers", "positions", "cell", "pbc")},
                "conditions": {},
                "values": values(results[name], all(structures[name]["pbc"])),
            }
            for convention, names in STRUCTURES[folder].items()
            for origin, results in [answers(references, folder, convention)]
            for name in names
        ],
    }


def answers(references: Path, folder: str, convention: str) -> tuple[str, dict[str, Any]]:
    """Who answered, and what for each structure."""
    origin, path = ORIGINS[convention], references / f"{folder}.{convention}.f64.json"
    if not path.is_file():
        origin, path = UNAFFECTED, references / f"{folder}.legacy.f64.json"
    return origin, json.loads(path.read_text(encoding="utf-8"))["results"]


def values(result: dict[str, Any], periodic: bool) -> dict[str, Any]:
    """What MatGL gave, by our names; the stress of crystals only."""
    return {
        ours: result[theirs] for ours, theirs in VALUES.items() if theirs in result and (ours != "stress" or periodic)
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path, help="the folder that holds references/matgl")
    references = parser.parse_args().shared / "references" / "matgl"
    (CARDS / "checks").mkdir(exist_ok=True)
    for folder in STRUCTURES:
        page = CARDS / "checks" / f"{NAMES.get(folder, folder.lower())}.json"
        page.write_text(json.dumps(checks(references, folder), indent=1) + "\n", encoding="utf-8")
        print(page.name)
