"""Puts a trained weight into mlzoo, as the model that comes with it, and says on its card how far it is from GFN2-xTB.

    python tools/embed.py run/model data/test.xyz

takes the folder that `mlzoo train` has left and the test set that `generate.py` made, both in
`reproductions/mace-xtb-organic`. The card has one source, `model_cards/mace-xtb-organic.md`: rows of the table of errors, sizes
and checksums are written into it, and it becomes the README.md of the folder.
"""

from __future__ import annotations

import argparse
import re
import shutil
from pathlib import Path
from typing import Any

import mlzoo
from mlzoo import checks
from mlzoo.checksums import sha256
from mlzoo.json_files import read_json, write_json
from mlzoo.training.data.keys import Keys
from mlzoo.training.data.reading import read
from mlzoo.training.evaluation import Evaluation, evaluate

ROOT = Path(__file__).parents[1]
NAME = "mace-xtb-organic"
FOLDER = ROOT / "mlzoo" / "embedded" / NAME
CARD = ROOT / "model_cards" / f"{NAME}.md"
ORDER = ("md-300K", "rattle", "torsion", "stretch", "pair", "close")


def without_folders(said: Any) -> Any:
    """Names of files instead of paths, which are those of one machine."""
    if isinstance(said, dict):
        return {without_folders(key): without_folders(value) for key, value in said.items()}
    if isinstance(said, list):
        return [without_folders(each) for each in said]
    return Path(said).name if isinstance(said, str) and "/" in said else said


def install(trained: Path) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    said = read_json(trained / "config.json")
    settings = {key: value for key, value in said["provenance"]["trained"]["settings"].items() if key != "output"}
    provenance = {"trained": {**said["provenance"]["trained"], "settings": settings}}
    write_json(FOLDER / "config.json", {**said, "provenance": without_folders(provenance)})
    shutil.copy(trained / "model.safetensors", FOLDER)
    shutil.copy(ROOT / "LICENSE", FOLDER)
    write_json(FOLDER / "checks.json", checks.make(mlzoo.load(FOLDER, device="cpu").in_float64()))


def rows(evaluation: Evaluation) -> list[str]:
    """Lines of the table: kind of structure, how many, errors of energy (meV/atom) and of force components (meV/Å)."""
    found = []
    for kind in (*ORDER, "all"):
        errors = evaluation.errors if kind == "all" else evaluation.by_group[kind]
        energy, forces = errors["energy_per_atom"], errors["forces"]
        found.append(f"| {kind} | {energy.count} | {energy.mae:.1f} | {1000 * forces.mae:.0f} |")
    return found


def fill(lines: list[str]) -> None:
    """Write the table, sizes and checksums into the card, and the card into the folder."""
    card = CARD.read_text(encoding="utf-8")
    table = re.compile(r"(?<=^\|---\|---\|---\|---\|\n)(\|.*\n)+", re.MULTILINE)
    card, tables = table.subn("\n".join(lines) + "\n", card)
    assert tables == 1, f"{CARD} has {tables} tables of four columns instead of one"
    for name in ("config.json", "model.safetensors", "checks.json", "LICENSE"):
        file = FOLDER / name
        stated = f"{name}: {{bytes: {file.stat().st_size}, sha256: {sha256(file)}}}"
        card, found = re.subn(rf"{re.escape(name)}: \{{bytes: \d+, sha256: \w+\}}", stated, card)
        assert found == 1, f"{CARD} names {name} {found} times instead of once"
    CARD.write_text(card, encoding="utf-8")
    shutil.copy(CARD, FOLDER / "README.md")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trained", type=Path, help="a folder that `mlzoo train` has written: run/model")
    parser.add_argument("test", type=Path, help="molecules that it has not learned from: data/test.xyz")
    options = parser.parse_args()
    install(options.trained)
    lines = rows(evaluate(mlzoo.load(FOLDER, device="cpu"), read([options.test], Keys())))
    fill(lines)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
