"""How far is the form that answers from the plain form? Each MACE of ``../shared``, each structure of its references.

The largest deviation of an atom's energy (eV) and of a component of the forces (eV/Å) from the plain form in float64:

- of the form in float32, and in brackets of float32's own rounding, which is the larger deviation of the plain form and of
  the compiled loops without splines, both in float32;
- of the splines alone, which is the form with them in float64;
- of the form in float64, as a share of the largest value.

A row that does not hold 1e-6 eV and 1e-5 eV/Å beyond the rounding is marked.

    python benchmarks/mace_inference_deviation.py
"""

import logging
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from ase import Atoms
from torch import Tensor

import mlzoo
from mlzoo.derivatives import evaluate
from mlzoo.graph import Graph
from mlzoo.model import Model
from mlzoo_mace.kernels.answering.form import FrozenMace

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from mace.references import MACE_TORCH, MLIP, mace_torch_cases, mlip_answers, mlip_structures

SHARED = Path(os.environ.get("MLZOO_SHARED", Path(__file__).resolve().parents[2] / "shared"))
ALLOWED = {"energies": 1e-6, "forces": 1e-5}  # eV, eV/Å
HEADINGS = "model", "structures", "largest force", "energy, float32", "forces, float32", "splines alone", "float64"


def cases(name: str, conditions: set[str]) -> Iterator[tuple[Atoms, dict[str, Any]]]:
    """Structures of the references of a model, and what they are asked with."""
    if "/" in name:
        for _, atoms, head, _ in mace_torch_cases(SHARED, name, conditions):
            yield atoms, head
    else:
        for answer in mlip_answers(SHARED, name):
            head = {"head": answer.get("head", 0)} if "head" in conditions else {}
            yield mlip_structures(SHARED)[answer["name"]], head


def answers(model: Model, graphs: list[Graph]) -> dict[str, Tensor]:
    dtype = next(model.parameters()).dtype
    found = [evaluate(model, graph.to("cpu", dtype), list(ALLOWED)) for graph in graphs]
    return {what: torch.cat([each[what].flatten().double() for each in found]) for what in ALLOWED}


def row(name: str) -> tuple[list[str], bool]:
    """Cells of the table, and whether they hold."""
    path = SHARED / "weights" / (f"{name}.model" if "/" in name else f"mlip/{name}.zip")
    double, single = (mlzoo.load(path, dtype=dtype, exact=True, device="cpu") for dtype in ("float64", "float32"))
    known = {condition.name for condition in double.model.conditions}
    graphs = [double.graph(atoms, conditions) for atoms, conditions in cases(name, known)]
    expected = answers(double.model, graphs)
    largest = {what: max(float(values.abs().max()), 1e-3) for what, values in expected.items()}

    def off(model: Model) -> dict[str, float]:
        found = answers(model, graphs)
        return {what: float((found[what] - expected[what]).abs().max()) for what in ALLOWED}

    form, loops, plain = off(FrozenMace(single.model, True)), off(FrozenMace(single.model, False)), off(single.model)
    splines, exact = off(FrozenMace(double.model, True)), off(FrozenMace(double.model, False))
    rounding = {what: max(loops[what], plain[what]) for what in ALLOWED}
    cells = [Path(name).name, str(len(graphs)), f"{largest['forces']:.3g}"]
    cells += [f"{form[what]:.1e} ({rounding[what]:.1e})" for what in ALLOWED]
    cells += [" ".join(f"{each:.0e}" for each in splines.values())]
    cells += [f"{max(exact[what] / largest[what] for what in ALLOWED):.0e}"]
    return cells, all(form[what] <= allowed + rounding[what] for what, allowed in ALLOWED.items())


def main() -> None:
    torch.set_num_threads(1)
    logging.getLogger("mlzoo").setLevel(logging.ERROR)
    print("|", " | ".join(HEADINGS), "|\n|", "---|" * len(HEADINGS), sep="")
    start, left = time.monotonic(), 0
    for name in [*MLIP, *MACE_TORCH]:
        cells, held = row(name)
        left += not held
        print("|", " | ".join(cells), "|" if held else "| does not hold", flush=True)
    print(f"eV and eV/Å; {left} models do not hold; {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
