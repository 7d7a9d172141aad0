"""A model from the zoo relaxes a drug, moves it for a picosecond at 300 K, and is held against the method it has learned from.

`make demo`, or `python examples/demo.py`: half a minute, no network, no GPU. What GFN2-xTB says of the molecule, at rest and in
twenty frames of its own dynamics, stands in `paracetamol.xyz`.
"""

import time
from pathlib import Path

import ase.io
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from ase import Atoms, units
from ase.md.bussi import Bussi
from ase.md.velocitydistribution import Stationary
from ase.neighborlist import natural_cutoffs, neighbor_list
from ase.optimize import BFGS
from ase.visualize.plot import plot_atoms
from rich.console import Console
from rich.progress import track

import mlzoo
from mlzoo.predictor import Predictor

HERE, PICTURES = Path(__file__).parent, Path("demo")
KELVIN, STEP, STEPS = 300, 0.5, 2000  # K, fs
console = Console(highlight=False)


def relax(molecule: Atoms) -> None:
    """From a geometry that somebody has shaken."""
    console.print(f"\n[bold]Relaxing paracetamol[/bold] ({molecule.get_chemical_formula()}, {len(molecule)} atoms)")
    console.print(" step           eV   max. eV/Å", style="dim")

    def show() -> None:
        force = np.linalg.norm(molecule.get_forces(), axis=1).max()
        console.print(f"{optimizer.nsteps:5d} {molecule.get_potential_energy():12.4f} {force:11.3f}")

    optimizer = BFGS(molecule, logfile=None)
    optimizer.attach(show, interval=15)
    converged = optimizer.run(fmax=0.01, steps=300)
    if optimizer.nsteps % 15:
        show()
    console.print("Converged." if converged else "NOT converged.")


def bonds(molecule: Atoms) -> np.ndarray:
    """Pairs of bonded atoms (B, 2)."""
    first, second = neighbor_list("ij", molecule, natural_cutoffs(molecule, mult=1.2))
    return np.stack([first, second], axis=1)[first < second]


def lengths(molecule: Atoms, pairs: np.ndarray) -> np.ndarray:
    return np.linalg.norm(molecule.positions[pairs[:, 0]] - molecule.positions[pairs[:, 1]], axis=1)


def move(molecule: Atoms) -> np.ndarray:
    """Dynamics at constant temperature: time (ps), temperature (K), longest bond over its length at rest, of each step."""
    pairs = bonds(molecule)
    rest = lengths(molecule, pairs)
    rng = np.random.default_rng(0)
    thermal = np.sqrt(molecule.get_masses() * units.kB * KELVIN)  # of a component of the momentum
    molecule.set_momenta(rng.normal(size=(len(molecule), 3)) * thermal[:, None])
    Stationary(molecule)
    dynamics = Bussi(molecule, STEP * units.fs, temperature_K=KELVIN, taut=100 * units.fs, rng=rng)
    seen, begun = [], time.monotonic()
    for _ in track(
        dynamics.irun(STEPS), f"\n{STEPS * STEP / 1000:g} ps at {KELVIN} K", total=STEPS + 1, console=console
    ):
        stretched = (lengths(molecule, pairs) / rest).max()
        seen.append((dynamics.nsteps * STEP / 1000, molecule.get_temperature(), stretched))
    found = np.array(seen)
    rate = STEPS / (time.monotonic() - begun)
    console.print(
        f"Mean temperature {found[len(found) // 4 :, 1].mean():.0f} K; the longest bond reached {found[:, 2].max():.2f} "
        f"times its length at rest; {rate:.0f} steps a second."
    )
    return found


def compare(model: Predictor, rest: Atoms, frames: list[Atoms]) -> tuple[np.ndarray, np.ndarray]:
    """Components of forces by xTB and by the model (eV/Å), all frames; print how far apart they are."""
    answers = model.predict([rest, *frames])
    expected, found = (np.concatenate([forces.ravel() for forces in each]) for each in (
        [atoms.get_forces() for atoms in frames], [answer["forces"] for answer in answers[1:]]
    ))  # fmt: skip
    above = np.array([atoms.get_potential_energy() for atoms in frames]) - rest.get_potential_energy()
    ours = np.array([answer["energy"] for answer in answers[1:]]) - answers[0]["energy"]
    console.print(f"\n[bold]Against GFN2-xTB[/bold] in {len(frames)} frames of xTB's own dynamics at {KELVIN} K")
    console.print(
        f"Forces: mean error {1000 * np.abs(found - expected).mean():.0f} meV/Å, of {1000 * np.abs(expected).mean():.0f}."
    )
    console.print(
        f"Energy above the molecule at rest: {above.mean():.3f} eV by xTB, {ours.mean():.3f} eV by the model; "
        f"mean error {1000 * np.abs(ours - above).mean() / len(rest):.1f} meV/atom."
    )
    return expected, found


def draw(molecule: Atoms, moved: np.ndarray, forces: tuple[np.ndarray, np.ndarray], path: Path) -> None:
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 3.9), layout="constrained")
    plot_atoms(molecule, left, rotation="0x,0y,0z", radii=0.45)
    left.set(title="relaxed")
    left.set_axis_off()
    time, temperature = moved[:, 0], moved[:, 1]
    middle.plot(time, temperature, color="#c44e52", lw=0.8)
    middle.axhline(KELVIN, color="0.6", lw=0.8)
    middle.set(xlabel="time (ps)", ylabel="temperature (K)", title=f"dynamics at {KELVIN} K")
    right.axline((0, 0), slope=1, color="0.6", lw=0.8)
    right.plot(*forces, "o", ms=2.5, color="#4c72b0", alpha=0.5)
    right.set(xlabel="GFN2-xTB (eV/Å)", ylabel="mace-xtb-organic (eV/Å)", title="forces", aspect="equal")
    for axes in (middle, right):
        axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=160)


if __name__ == "__main__":
    model = mlzoo.load("mace-xtb-organic")
    console.print(f"[bold]{model.name}[/bold], {model.card.terms.name}\n{model.card.summary}")
    rest, *frames = ase.io.read(HERE / "paracetamol.xyz", ":")
    molecule = Atoms(rest.symbols, rest.positions)
    molecule.rattle(0.1, seed=1)
    molecule.calc = model.calculator()
    relax(molecule)
    relaxed = molecule.copy()
    moved = move(molecule)
    picture = PICTURES / "paracetamol.png"
    draw(relaxed, moved, compare(model, rest, frames), picture)
    console.print(f"\nThe relaxed molecule, its dynamics and both sides' forces are drawn in {picture}")
