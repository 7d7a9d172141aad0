"""Writes `model_cards/checks/NAME.json` for the weights whose numbers the original code, or its repaired form, has given.

    python tools/original_checks.py path/to/shared

takes them from `references/matgl` in that folder, for a few small structures of each model: those of MatGL in float64,
those of the TensorFlow codes in float32, the only precision that they have.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlzoo.checks import TOLERANCES

CARDS = Path(__file__).parents[1] / "model_cards"
OF_FLOAT32 = {"float64": 2e-5, "float32": TOLERANCES["float32"]}
"""The tolerances where the reference itself is of float32: it has seven digits, and its sums lose one. Ours in float64
was seen up to 2e-6 off for MEGNet's properties and 6e-6 (eV/Å) for M3GNet's forces on these structures."""

UNAFFECTED = "matgl 2.0.6, legacy; dstfix is the same network here, as both cutoffs are 5 Å"
STATES = ("pbe", "gllb-sc", "hse", "scan")  # as MatGL numbers them
POTENTIAL = {  # ours -> theirs
    "energy": "energy",
    "energies": "atomic_energies",
    "forces": "forces",
    "stress": "stress_voigt_eV_A3",
}


@dataclass(frozen=True)
class Original:
    """What the original code gave, with one set of reader options."""

    file: str  # in references/matgl
    structures: tuple[str, ...]
    origin: str
    options: Mapping[str, str]
    tolerances: Mapping[str, float]
    values: Mapping[str, str]  # ours -> theirs

    def checks(self, references: Path, structures: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        results = json.loads((references / self.file).read_text(encoding="utf-8"))["results"]
        for name in self.structures:
            structure = structures[name]
            for conditions, result in self.by_state(results[name]):
                yield {
                    "options": dict(self.options),
                    "origin": self.origin,
                    **{key: structure[key] for key in ("numbers", "positions", "cell", "pbc")},
                    "conditions": conditions,
                    "values": {
                        ours: result[theirs]
                        for ours, theirs in self.values.items()
                        if theirs in result and (ours != "stress" or all(structure["pbc"]))  # of crystals only
                    },
                }

    def by_state(self, result: Mapping[str, Any]) -> Iterator[tuple[dict[str, str], Mapping[str, Any]]]:
        if "value_by_state" not in result:
            yield {}, result
        for number, value in result.get("value_by_state", {}).items():
            yield {"state": STATES[int(number)]}, {"value": value}


def m3gnet(folder: str, dstfix: tuple[str, ...], legacy: tuple[str, ...], **values: str) -> list[Original]:
    """Of MatGL's M3GNets, as they are loaded, and as they were trained."""
    both = f"{folder}.dstfix.f64.json", "matgl 4.1.2, node messages summed at the neighbour end"
    if folder == "M3GNet-MP-2018.6.1-Eform":
        both = f"{folder}.legacy.f64.json", UNAFFECTED
    return [
        Original(both[0], dstfix, both[1], {"convention": "dstfix"}, TOLERANCES, values or POTENTIAL),
        matgl(folder, "legacy", legacy, **values),
    ]


def matgl(folder: str, convention: str, structures: tuple[str, ...], **values: str) -> Original:
    origin = {"legacy": "matgl 2.0.6", "v4": "matgl 4.1.2, which averages messages at the other end of an edge"}
    file = f"{folder}.{convention}.f64.json"
    return Original(file, structures, origin[convention], {"convention": convention}, TOLERANCES, values or POTENTIAL)


def tensorflow(code: str, file: str, **values: str) -> list[Original]:
    origin, structures = f"{code} on TensorFlow 2.15.1, float32", (*CRYSTALS, "al_slab_ttf")
    return [Original(f"{file}.f32.json", structures, origin, {}, OF_FLOAT32, values or POTENTIAL)]


CRYSTALS = ("nacl8", "si8_rattled", "triclinic_catio3")
FORMATION_ENERGY = {"formation_energy_per_atom": "value"}
ANY = ("nacl8", "al_slab_ttf", "ethanol"), ("nacl8", "si8_rattled")
ORIGINALS: dict[str, list[Original]] = {  # name of the card -> with the options of loading first
    "m3gnet-mp-2021.2.8-pes": m3gnet("M3GNet-MP-2021.2.8-PES", *ANY),
    "m3gnet-matpes-pbe-v2025.1-pes": m3gnet("M3GNet-MatPES-PBE-v2025.1-PES", *ANY),
    "m3gnet-matpes-r2scan-v2025.1-pes": m3gnet("M3GNet-MatPES-r2SCAN-v2025.1-PES", *ANY),
    "m3gnet-r2scan-nabh": m3gnet("M3GNet-r2SCAN-NaBH", ("nabh4", "b2h6"), ("nabh4", "b2h6")),
    "m3gnet-pes-ani-1x-subset": m3gnet(
        "M3GNet-ANI-1x-Subset-PES", ("ethanol", "methylamine", "water_box"), ("ethanol", "methylamine")
    ),
    "m3gnet-mp-2018.6.1-eform": m3gnet(
        "M3GNet-MP-2018.6.1-Eform",
        ("nacl8", "triclinic_catio3", "al_slab_ttf"),
        ("nacl8", "triclinic_catio3"),
        **FORMATION_ENERGY,
    ),
    "m3gnet-tf-mp-2021.2.8-efs": tensorflow("m3gnet 0.2", "m3gnet-tf-MP-2021.2.8-EFS"),
    "megnet-mp-2018.6.1-eform": [
        matgl("MEGNet-MP-2018.6.1-Eform", "legacy", (*CRYSTALS, "al_slab_ttf"), **FORMATION_ENERGY),
        matgl("MEGNet-MP-2018.6.1-Eform", "v4", CRYSTALS, **FORMATION_ENERGY),
    ],
    "megnet-mp-2019.4.1-bandgap-mfi": [
        matgl("MEGNet-MP-2019.4.1-BandGap-mfi", "legacy", CRYSTALS, band_gap="value"),
        matgl("MEGNet-MP-2019.4.1-BandGap-mfi", "v4", ("nacl8", "triclinic_catio3"), band_gap="value"),
    ],
    **{
        name: tensorflow("megnet 1.3", file, **{ours: "value"})
        for name, file, ours in (
            (
                "megnet-tf-mp-2018.6.1-formation-energy",
                "megnet-tf-mp-2018.6.1-formation_energy",
                "formation_energy_per_atom",
            ),
            ("megnet-tf-mp-2018.6.1-band-gap", "megnet-tf-mp-2018.6.1-band_gap_regression", "band_gap"),
            ("megnet-tf-mp-2018.6.1-log10k", "megnet-tf-mp-2018.6.1-log10K", "log10_bulk_modulus"),
            ("megnet-tf-mp-2018.6.1-log10g", "megnet-tf-mp-2018.6.1-log10G", "log10_shear_modulus"),
            ("megnet-tf-mp-2019.4.1-efermi", "megnet-tf-mp-2019.4.1-efermi", "fermi_energy"),
        )
    },
}


def checks(references: Path, originals: list[Original]) -> dict[str, Any]:
    """Everything that ``model_cards/checks`` holds about one weight."""
    structures = json.loads((references / "structures.json").read_text(encoding="utf-8"))
    return {
        "origin": "MatGL, as it was or with one repair, in float64; each check says which"
        if originals[0].tolerances is TOLERANCES
        else f"{originals[0].origin}: the original code",
        "tolerances": dict(originals[0].tolerances),
        "checks": [check for original in originals for check in original.checks(references, structures)],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path, help="the folder that holds references/matgl")
    references = parser.parse_args().shared / "references" / "matgl"
    (CARDS / "checks").mkdir(exist_ok=True)
    for name, originals in ORIGINALS.items():
        page = CARDS / "checks" / f"{name}.json"
        page.write_text(json.dumps(checks(references, originals), indent=1) + "\n", encoding="utf-8")
        print(page.name)
