"""A model from the zoo relaxes a crystal and is held against the potential it has learned from.

`make demo`, or `python examples/demo.py`: a quarter of a minute, no network, no GPU.
"""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.eos import EquationOfState
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from ase.units import GPa
from rich.console import Console
from rich.table import Table
from scipy.interpolate import CubicSpline

import mlzoo

console = Console(highlight=False)
Curves = tuple[np.ndarray, np.ndarray, np.ndarray]  # volume (Å³/atom), energy by the model and by EMT (eV/atom)


def cu3au() -> Atoms:
    """L1₂: gold on the corners of the cube, copper on its faces."""
    crystal = bulk("Cu", cubic=True, a=3.75)
    crystal.symbols[0] = "Au"
    return crystal


def relax_a_crystal(calculator: Calculator) -> None:
    crystal = cu3au().repeat(2)
    crystal.set_cell(crystal.cell @ [[1.06, 0.03, 0], [0, 0.97, 0.02], [0, 0, 1.02]], scale_atoms=True)
    crystal.rattle(0.1, seed=1)
    crystal.calc = calculator

    def show() -> None:
        force, stress = np.linalg.norm(crystal.get_forces(), axis=1).max(), np.abs(crystal.get_stress()).max() / GPa
        a, b, c, *angles = crystal.cell.cellpar()
        energy = crystal.get_potential_energy() / len(crystal)
        shape = f"{a / 2:.3f} {b / 2:.3f} {c / 2:.3f}   {max(abs(angle - 90) for angle in angles):6.2f}"
        console.print(f"{optimizer.nsteps:5d} {energy:11.4f} {force:11.3f} {stress:10.2f}    {shape}")

    console.print(f"\n[bold]Relaxing a distorted Cu3Au[/bold] ({len(crystal)} atoms, positions and cell)")
    console.print(" step     eV/atom   max. eV/Å  max. GPa    a, b, c (Å)         off 90°", style="dim")
    optimizer = BFGS(FrechetCellFilter(crystal), logfile=None)
    optimizer.attach(show, interval=10)
    converged = optimizer.run(fmax=0.01, steps=200)
    if optimizer.nsteps % 10:
        show()
    spread = np.ptp(crystal.cell.lengths()) / 2
    console.print(f"{'Converged' if converged else 'NOT converged'}: cubic again, but for {spread:.3f} Å.")


def equation_of_state(crystal: Atoms, calculator: Calculator, volumes: np.ndarray) -> np.ndarray:
    """Energy (eV/atom) of the crystal at each volume (Å³/atom)."""
    energies = []
    for volume in volumes:
        scaled = crystal.copy()
        scaled.set_cell(crystal.cell * (volume * len(crystal) / crystal.get_volume()) ** (1 / 3), scale_atoms=True)
        scaled.calc = calculator
        energies.append(scaled.get_potential_energy() / len(crystal))
    return np.array(energies)


def compare(crystals: dict[str, Atoms], ours: Calculator) -> dict[str, Curves]:
    """Print what both potentials say of each crystal; return volumes and both energies for the picture."""
    table = Table(title="\nm3gnet-emt against EMT itself", title_style="bold", title_justify="left")
    table.add_column("crystal")
    for quantity in ("a (Å)", "EMT", "off by", "B (GPa)", "EMT", "off by"):
        table.add_column(quantity, justify="right")
    curves, lowest = {}, {}
    for name, crystal in crystals.items():
        volumes = crystal.get_volume() / len(crystal) * np.linspace(0.9, 1.09, 12)
        energies = [equation_of_state(crystal, calculator, volumes) for calculator in (ours, EMT())]
        fits = [EquationOfState(volumes, curve, eos="birchmurnaghan").fit() for curve in energies]
        curves[name] = volumes, *energies
        lowest[name] = np.array([energy for _, energy, _ in fits])
        (a, a_emt) = ((4 * volume) ** (1 / 3) for volume, _, _ in fits)  # all are cubes of four atoms
        (b, b_emt) = (modulus / GPa for _, _, modulus in fits)
        lattice = f"{a:.3f}", f"{a_emt:.3f}", f"{a / a_emt - 1:+.2%}"
        table.add_row(name, *lattice, f"{b:.0f}", f"{b_emt:.0f}", f"{b / b_emt - 1:+.1%}")
    console.print(table)
    mixing = (lowest["Cu3Au"] - 0.75 * lowest["Cu"] - 0.25 * lowest["Au"]) * 1000
    console.print(f"Energy of Cu3Au from its metals: {mixing[0]:.0f} meV/atom (EMT: {mixing[1]:.0f}).")
    return curves


def draw(curves: dict[str, Curves], path: Path) -> None:
    figure, axes = plt.subplots(figsize=(7.2, 4.8), layout="constrained")
    for (name, (volumes, ours, emt)), colour in zip(curves.items(), plt.get_cmap("tab10").colors, strict=False):
        fine = np.linspace(volumes[0], volumes[-1], 200)
        curve = CubicSpline(volumes, ours - emt.min())(fine) * 1000
        axes.plot(fine, curve, color=colour, lw=1.8)
        axes.plot(volumes, (emt - emt.min()) * 1000, "o", color=colour, mfc="white", ms=5)
        bottom = volumes[emt.argmin()], 0
        axes.annotate(name.replace("3", "₃"), bottom, (0, -20), textcoords="offset points", color=colour, ha="center")
    axes.plot([], [], color="0.3", lw=1.8, label="m3gnet-emt")
    axes.plot([], [], "o", color="0.3", mfc="white", ms=5, label="EMT")
    axes.set(xlabel="volume (Å³/atom)", ylabel="energy above EMT's minimum (meV/atom)", title="Equation of state")
    axes.set_ylim(bottom=-25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper right")
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=160)


if __name__ == "__main__":
    model = mlzoo.load("m3gnet-emt")
    console.print(f"[bold]{model.name}[/bold], {model.card.terms.name}\n{model.card.summary}")
    relax_a_crystal(model.calculator())
    crystals = {name: bulk(name, cubic=True) for name in ("Ni", "Cu", "Pt", "Au")} | {"Cu3Au": cu3au()}
    picture = Path("demo", "equation_of_state.png")
    draw(compare(crystals, model.calculator()), picture)
    console.print(f"Both curves of each crystal are drawn in {picture}")
