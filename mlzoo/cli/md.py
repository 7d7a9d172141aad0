"""`mlzoo md`: molecular dynamics that can be stopped anywhere and goes on as if it had not been.

    structure ──► start velocities ──┐
                                     ├──► integrator ──► steps ──► trajectory
    last frame of a trajectory ──────┘

What a step needs besides positions, momenta and cell is in the frame's ``info`` (``md_step``, ``md_seed``,
``md_barostat``), and the noise of step n is drawn from a generator seeded with (seed, n): a run that goes on from a
frame repeats what an uninterrupted one does.
"""

from __future__ import annotations

import math
import secrets
import warnings
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlzoo.cli import options
from mlzoo.cli.console import Progress, tell
from mlzoo.errors import InvalidStructure, MlzooError

if TYPE_CHECKING:
    from ase import Atoms

BAROSTAT_TIME = 1000.0  # fs
LINES = 20  # of progress where there is no terminal


class Ensemble(StrEnum):
    nve = "nve"
    nvt = "nvt"
    npt = "npt"


@dataclass(frozen=True)
class Plan:
    """What is to be simulated."""

    ensemble: Ensemble
    temperature: float  # K
    timestep: float  # fs
    steps: int  # in total, restarts included
    pressure: float  # GPa
    friction: float  # 1/fs
    seed: int
    interval: int  # steps between frames

    def __str__(self) -> str:
        said = f"{self.steps} steps of {self.timestep:g} fs, {self.ensemble.upper()}"
        if self.ensemble != Ensemble.nve:
            said += f" at {self.temperature:g} K (Langevin, friction {self.friction:g}/fs)"
        if self.ensemble == Ensemble.npt:
            said += f" and {self.pressure:g} GPa (isotropic)"
        return f"{said}, seed {self.seed}, a frame every {self.interval} steps"


class BlownUp(MlzooError, ArithmeticError):
    """A simulation whose numbers are no longer finite."""


def md(
    file: options.File,
    out: Annotated[Path, typer.Option("--out", "-o", help="Trajectory, momenta included: NAME.traj or NAME.extxyz.")],
    ensemble: Annotated[
        Ensemble,
        typer.Option(help="nve: velocity Verlet; nvt: Langevin (BAOAB); npt: the same with an isotropic barostat."),
    ],
    steps: Annotated[int, typer.Option(help="Steps in total, those before a restart included.", min=0)],
    model: options.Model = options.DEFAULT_MODEL,
    temperature: Annotated[
        float, typer.Option(help="K; of the thermostat, and of the start velocities.", callback=options.not_negative)
    ] = 300.0,
    timestep: Annotated[float, typer.Option(help="fs.", callback=options.positive)] = 1.0,
    pressure: Annotated[float, typer.Option(help="GPa, of npt.", callback=options.finite)] = 0.0,
    friction: Annotated[float, typer.Option(help="1/fs, of nvt and npt.", callback=options.positive)] = 0.01,
    seed: Annotated[
        int | None, typer.Option(help="Of start velocities and thermostat; drawn and told if left out.", min=0)
    ] = None,
    interval: Annotated[int, typer.Option(help="Steps from one frame of the trajectory to the next.", min=1)] = 10,
    skin: Annotated[
        float,
        typer.Option(
            help="Å by which the neighbour list reaches further to live longer.", callback=options.not_negative
        ),
    ] = 0.5,
    restart: Annotated[
        bool, typer.Option("--restart", help="Go on from the last whole frame of the trajectory, adding to it.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Delete a trajectory that is there.")] = False,
    index: options.Frame = -1,
    device: options.Device = "auto",
    dtype: options.Precision = None,
    option: options.Reader = None,
    condition: options.Condition = None,
) -> None:
    """Run molecular dynamics from a structure.

    Velocities are those of FILE, or Maxwell-Boltzmann at --temperature if it has none; net translation is removed.
    --restart repeats an uninterrupted run exactly from a .traj, and to the 8 decimals of the file from an .extxyz.
    """
    from mlzoo.cli.trajectory import check_trajectory

    check_trajectory(out, file, restart, overwrite)
    last = _last_state(out, timestep) if restart else None
    carried = last.info["md_seed"] if last is not None else None
    chosen = next(value for value in (seed, carried, secrets.randbits(31)) if value is not None)
    plan = Plan(ensemble, temperature, timestep, steps, pressure, friction, int(chosen), interval)
    first = 0 if last is None else int(last.info["md_step"])
    if last is not None and first >= steps:
        tell(f"{out} has {first} steps already: nothing to do for --steps {steps}.")
        return
    atoms = _first_state(file, index, plan) if last is None else last
    _check(atoms, plan)
    predictor = options.load_model(model, device, dtype, option)
    atoms.calc = predictor.calculator(skin=skin, **options.conditions(condition, predictor))
    tell(
        f"{predictor.name}: {plan}, skin {skin:g} Å"
        + ("." if last is None else f"; going on from step {first} of {out}.")
    )

    try:
        _run(atoms, plan, first, out, anew=last is None)
    except KeyboardInterrupt:
        tell(f"interrupted. The same command with --restart goes on from the last frame of {out}.")
        raise typer.Exit(130) from None
    except BlownUp as error:
        tell(f"error: {error}")
        raise typer.Exit(1) from None
    typer.echo(f"{steps} steps done; trajectory in {out}")


# How it starts


def _first_state(file: Path, index: int, plan: Plan) -> Atoms:
    import numpy as np
    from ase import units
    from ase.md.velocitydistribution import Stationary

    from mlzoo.cli.files import read_structure

    atoms = read_structure(file, index)
    for name in [name for name in atoms.info if name.startswith("md_")]:  # of the simulation that FILE comes from
        del atoms.info[name]
    moving = atoms.has("momenta") and bool(atoms.get_momenta().any())
    if not moving:
        normal = np.random.default_rng(plan.seed).normal(size=(len(atoms), 3))
        width = np.sqrt(atoms.get_masses() * units.kB * plan.temperature)  # Maxwell and Boltzmann's, of each component
        atoms.set_momenta(width[:, None] * normal)
    if not atoms.constraints and len(atoms) > 1 and atoms.get_momenta().any():
        Stationary(atoms, preserve_temperature=not moving)
    return atoms


def _last_state(out: Path, timestep: float) -> Atoms | None:
    """The last whole frame of a trajectory; none where there is no frame yet."""
    from mlzoo.cli.trajectory import last_frame

    last = last_frame(out)
    if last is None:
        tell(f"{out} holds no frame yet: beginning anew.")
        return None
    if not {"md_step", "md_seed"} <= last.info.keys() or not last.has("momenta"):
        raise InvalidStructure(
            f"the last frame of {out} has no step number or no momenta: `mlzoo md` has not written it."
        )
    written = last.info.get("md_timestep", timestep)
    if not math.isclose(written, timestep):
        tell(f"warning: {out} was run with steps of {written:g} fs and goes on with {timestep:g} fs.")
    return last


def _check(atoms: Atoms, plan: Plan) -> None:
    """What no integrator could do, before a model is loaded."""
    from ase.constraints import FixAtoms, FixCartesian

    from mlzoo.cli.files import check_has_volume

    if plan.ensemble != Ensemble.nve and not plan.temperature > 0:
        raise typer.BadParameter(f"--temperature {plan.temperature:g} K: a thermostat needs one above zero")
    if plan.ensemble == Ensemble.npt:
        check_has_volume(atoms, "--ensemble npt")
        if not atoms.pbc.all():
            raise InvalidStructure(
                f"--ensemble npt scales the cell in all directions, but pbc is {atoms.pbc.tolist()}."
            )
    unheld = [type(held).__name__ for held in atoms.constraints if not isinstance(held, FixAtoms | FixCartesian)]
    if {Ensemble.nve: [], Ensemble.nvt: unheld, Ensemble.npt: atoms.constraints}[plan.ensemble]:
        raise InvalidStructure(
            f"--ensemble {plan.ensemble} does not hold the constraints of this structure "
            f"({', '.join(type(held).__name__ for held in atoms.constraints)}). Remove them or use nve."
        )


# How it goes on


def _integrator(atoms: Atoms, plan: Plan) -> Any:
    import numpy as np
    from ase import units
    from ase.md.langevinbaoab import LangevinBAOAB
    from ase.md.verlet import VelocityVerlet

    timestep = plan.timestep * units.fs
    if plan.ensemble == Ensemble.nve:
        return VelocityVerlet(atoms, timestep)
    thermostat = {
        "temperature_K": plan.temperature,
        "T_tau": units.fs / plan.friction,
        "rng": np.random.default_rng(plan.seed),
    }
    if plan.ensemble == Ensemble.nvt:
        return LangevinBAOAB(atoms, timestep, **thermostat)
    with warnings.catch_warnings(action="ignore"):  # it tells of its choice of barostat mass, which the period fixes
        dynamics = LangevinBAOAB(
            atoms,
            timestep,
            externalstress=-plan.pressure * units.GPa,
            hydrostatic=True,
            P_tau=BAROSTAT_TIME * units.fs,
            **thermostat,
        )
    if "md_barostat" in atoms.info:
        dynamics.p_eps, dynamics.force_eps = (float(number) for number in atoms.info["md_barostat"])
    return dynamics


def _run(atoms: Atoms, plan: Plan, first: int, out: Path, anew: bool) -> None:
    """Steps ``first + 1`` to ``plan.steps``."""
    import numpy as np

    from mlzoo.cli.trajectory import growing

    with ExitStack() as stack:
        dynamics = _integrator(atoms, plan)
        said = _numbers(atoms, first)
        append = stack.enter_context(
            growing(
                out, {"type": "molecular-dynamics", **asdict(plan), "mlzoo": atoms.calc.predictor.provenance}, anew=anew
            )
        )
        progress = stack.enter_context(Progress("md", plan.steps, every=max(1, plan.steps // LINES)))
        if anew:
            append(_frame(atoms, plan, first, dynamics))
        progress.show(first, said)
        for step in range(first + 1, plan.steps + 1):
            dynamics.rng = np.random.default_rng([plan.seed, step])
            try:
                dynamics.step()
            except MlzooError as error:
                raise BlownUp(f"step {step} cannot be evaluated: {error} Try a shorter --timestep.") from error
            said = _numbers(atoms, step)
            if step % plan.interval == 0 or step == plan.steps:
                append(_frame(atoms, plan, step, dynamics))
            progress.show(step, said)


def _numbers(atoms: Atoms, step: int) -> str:
    """Energies and temperature of a step, which must be finite."""
    energy, temperature = atoms.get_potential_energy(), atoms.get_temperature()
    if not (math.isfinite(energy) and math.isfinite(temperature)):
        raise BlownUp(
            f"the numbers are not finite at step {step} (energy {energy} eV, temperature {temperature} K). "
            "The trajectory ends before it. Relax the structure first, or try a shorter --timestep."
        )
    return f"potential {energy:.4f} eV, total {energy + atoms.get_kinetic_energy():.4f} eV, {temperature:.1f} K"


def _frame(atoms: Atoms, plan: Plan, step: int, dynamics: Any) -> Atoms:
    from mlzoo.cli.files import evaluated

    frame = evaluated(atoms)
    frame.info |= {"md_step": step, "md_timestep": plan.timestep, "md_seed": plan.seed}
    if plan.ensemble == Ensemble.npt:
        frame.info["md_barostat"] = [float(dynamics.p_eps), float(dynamics.force_eps)]
    else:
        frame.info.pop("md_barostat", None)
    return frame
