"""Many small crystals as CIF files, written as text because that is fast."""

from pathlib import Path

import numpy as np

ELEMENTS = ("H", "C", "N", "O", "F", "S", "Cl")
SITES = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])


def cif(symbols, fractional, length: float) -> str:
    """A cubic cell; ``length`` in Å."""
    lines = ["data_cell"]
    lines += [f"_cell_length_{axis} {length:.4f}" for axis in "abc"]
    lines += [f"_cell_angle_{angle} 90" for angle in ("alpha", "beta", "gamma")]
    lines += ["loop_", "_atom_site_type_symbol", *(f"_atom_site_fract_{axis}" for axis in "xyz")]
    lines += [f"{symbol} {x:.5f} {y:.5f} {z:.5f}" for symbol, (x, y, z) in zip(symbols, fractional, strict=True)]
    return "\n".join(lines) + "\n"


def crystal(seed: int) -> str:
    """One to four atoms near the sites of a face-centred lattice."""
    random = np.random.default_rng(seed)
    number = int(random.integers(1, 5))
    symbols = random.choice(ELEMENTS, size=number)
    length = random.uniform(3.7, 4.2) if number > 2 else random.uniform(2.8, 3.2)
    return cif(symbols, SITES[:number] + random.normal(0, 0.01, (number, 3)), length)


def write_crystals(folder: Path, number: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(number):
        (folder / f"{seed:05}.cif").write_text(crystal(seed))


TRUNCATED = crystal(0)[:150]
UNKNOWN = cif(["C", "Fe"], SITES[:2], 3.0)
OVERLAPPING = cif(["C", "C"], [[0, 0, 0], [0, 0, 0.002]], 3.0)
DISORDERED = (
    cif(["C"], SITES[:1], 3.0)
    .replace("_atom_site_fract_z", "_atom_site_fract_z\n_atom_site_occupancy")
    .replace("0.00000\n", "0.00000 0.6\n")
    + "N 0 0 0 0.4\n"
)
