"""`mlzoo relax`: move the atoms, and the cell if asked, until nothing pulls any more.

structure (or the last frame of a trajectory) ──► optimizer steps ──► relaxed structure
                                                      └── every step to the trajectory
"""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlzoo.cli import options
from mlzoo.cli.console import Progress, tell

if TYPE_CHECKING:
    from ase import Atoms


class Optimizer(StrEnum):
    fire = "fire"
    bfgs = "bfgs"
    lbfgs = "lbfgs"


@dataclass(frozen=True)
class Outcome:
    """Where an optimisation stands."""

    frame: Atoms  # with energy, forces, stress
    steps: int
    energy: float  # eV
    fmax: float  # eV/Å, the largest force on an atom or on the cell
    converged: bool


def relax(
    file: options.File,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="File that gets the relaxed structure, in any format ASE writes.")
    ],
    model: options.Model = options.DEFAULT_MODEL,
    fmax: Annotated[
        float, typer.Option(help="Largest force that may remain, in eV/Å.", callback=options.positive)
    ] = 0.01,
    steps: Annotated[int, typer.Option(help="Steps at most, in this run.", min=0)] = 500,
    cell: Annotated[bool, typer.Option("--cell/--no-cell", help="Relax the cell too, to zero stress.")] = False,
    optimizer: Annotated[Optimizer, typer.Option(help="Algorithm.")] = Optimizer.fire,
    trajectory: Annotated[Path | None, typer.Option(help="Every step goes here: NAME.traj or NAME.extxyz.")] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Go on from the last frame of --trajectory, adding to it.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Delete a --trajectory that is there.")] = False,
    index: options.Frame = -1,
    device: options.Device = "auto",
    dtype: options.Precision = None,
    option: options.Reader = None,
    condition: options.Condition = None,
) -> None:
    """Relax the atoms of a structure, and its cell.

    Exit status 0 if converged, 1 if not (the last structure is written all the same).
    """
    from mlzoo.cli.files import check_has_volume, check_output, output_format
    from mlzoo.cli.trajectory import check_trajectory

    check_output(out, file)
    output_format(out)
    if restart and trajectory is None:
        raise typer.BadParameter("--restart goes on from a --trajectory: say which")
    if trajectory is not None:
        check_trajectory(trajectory, file, restart, overwrite)
        if trajectory.absolute() == out.absolute():
            raise typer.BadParameter(
                f"--trajectory and --out are both {out}: the structure would replace the trajectory"
            )
    atoms, continued = _start(file, index, trajectory if restart else None)
    if cell:
        check_has_volume(atoms, "--cell")
        _check_open_directions(atoms)
    predictor = options.load_model(model, device, dtype, option)
    atoms.calc = predictor.calculator(**options.conditions(condition, predictor))

    try:
        outcome = _optimize(atoms, optimizer, cell, fmax, steps, trajectory, continued)
    except KeyboardInterrupt:
        hint = f"The same command with --restart goes on from {trajectory}." if trajectory else "Nothing was written."
        tell(f"interrupted. {hint}")
        raise typer.Exit(130) from None
    _write(out, outcome)
    reached = f"after {outcome.steps} steps: energy {outcome.energy:.6f} eV, largest force {outcome.fmax:.4g} eV/Å"
    typer.echo(f"{'converged' if outcome.converged else 'NOT converged'} {reached}; structure in {out}")
    if not outcome.converged:
        tell(f"error: the largest force stays above {fmax} eV/Å: {out} is not relaxed. Give it more --steps.")
        raise typer.Exit(1)


def _start(file: Path, index: int, trajectory: Path | None) -> tuple[Atoms, bool]:
    """The structure to begin with, and whether it goes on from a trajectory."""
    from mlzoo.cli.files import read_structure
    from mlzoo.cli.trajectory import last_frame

    last = last_frame(trajectory) if trajectory else None
    if last is not None:
        tell(f"going on from the last frame of {trajectory}.")
        return last, True
    if trajectory:
        tell(f"{trajectory} holds no frame yet: beginning with {file}.")
    return read_structure(file, index), False


def _check_open_directions(atoms: Atoms) -> None:
    """Strain is in Cartesian components: leaving out those of an open direction needs it along an axis."""
    if atoms.pbc.any() and atoms.cell.array[atoms.pbc][:, ~atoms.pbc].any():
        raise typer.BadParameter(
            f"--cell with pbc={atoms.pbc.tolist()} needs periodic vectors without a component along the open directions"
        )


def _optimize(
    atoms: Atoms, optimizer: Optimizer, cell: bool, fmax: float, steps: int, trajectory: Path | None, continued: bool
) -> Outcome:
    import numpy as np
    from ase import optimize
    from ase.filters import FrechetCellFilter

    from mlzoo.cli.files import evaluated
    from mlzoo.cli.trajectory import growing

    target: Any = FrechetCellFilter(atoms, mask=np.outer(atoms.pbc, atoms.pbc)) if cell else atoms
    minimizer = {"fire": optimize.FIRE, "bfgs": optimize.BFGS, "lbfgs": optimize.LBFGS}[optimizer.value](
        target, logfile=None
    )
    outcome: Outcome | None = None
    with ExitStack() as stack:
        about = {
            "type": "relaxation",
            "optimizer": optimizer.value,
            "cell": cell,
            "fmax": fmax,
            "mlzoo": atoms.calc.predictor.provenance,
        }
        append = stack.enter_context(growing(trajectory, about, anew=not continued)) if trajectory else None
        progress = stack.enter_context(Progress("relax", total=steps, every=1))
        for step, converged in enumerate(minimizer.irun(fmax=fmax, steps=steps)):
            energy = atoms.get_potential_energy()
            largest = float(np.linalg.norm(target.get_forces(), axis=1).max())
            if not (math.isfinite(energy) and math.isfinite(largest)):
                tell(f"error: energy {energy} eV, largest force {largest} eV/Å at step {step}: stopped before it.")
                break
            outcome = Outcome(evaluated(atoms), step, energy, largest, bool(converged))
            if append and not (continued and step == 0):
                append(outcome.frame)
            progress.show(step, f"energy {energy:.6f} eV, largest force {largest:.4g} eV/Å")
    if outcome is None:
        tell("error: the structure cannot be relaxed as it is: are atoms on top of each other?")
        raise typer.Exit(1)
    return outcome


def _write(out: Path, outcome: Outcome) -> None:
    from ase.io import write

    from mlzoo.cli.files import output_format, replacing

    with replacing(out) as part:
        write(str(part), outcome.frame, format=output_format(out))
