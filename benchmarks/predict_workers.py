"""What do two workers gain over one? `mlzoo predict` over 8,000 CIF files, embedded model, one thread each.

Wall time from start to end, with starting Python and loading the model, which each worker does for itself; both tables
must say the same.

    make bench
"""

import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from ase.build import bulk

FILES = 8_000
ELEMENTS = ["C", "N", "O", "S"]


def write(folder: Path) -> None:
    """Rattled diamond in cells of four atoms, one of them of another element."""
    rng = np.random.default_rng(0)
    for number in range(FILES):
        atoms = bulk("C") * (2, 1, 1)
        atoms.symbols[0] = rng.choice(ELEMENTS)
        atoms.rattle(0.05, seed=number)
        atoms.write(folder / f"{number:05}.cif")


def run(folder: Path, workers: int) -> tuple[float, list[dict[str, str]]]:
    """Seconds and rows."""
    table = folder / f"{workers}.csv"
    command = [sys.executable, "-m", "mlzoo", "predict", str(folder / "*.cif"), "-p", "energy", "-o", str(table)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    start = time.perf_counter()
    subprocess.run([*command, "--workers", str(workers)], check=True, env=environment, stderr=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    with table.open(newline="") as file:
        return seconds, list(csv.DictReader(file))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        (one, rows), (two, others) = run(Path(folder), 1), run(Path(folder), 2)
    energies, again = ([float(row["energy"]) for row in table] for table in (rows, others))
    same = [row["file"] for row in rows] == [row["file"] for row in others]
    print(f"{len(rows)} files on {os.cpu_count()} cores: {one:.1f} s with one worker, {two:.1f} s with two, ", end="")
    print(f"{one / two:.2f} times faster; same rows in the same order: {same}, ", end="")
    print(f"energies of {np.mean(energies):.6f} and {np.mean(again):.6f} eV differ by at most ", end="")
    print(f"{np.abs(np.subtract(energies, again)).max():.1e} eV")


if __name__ == "__main__":
    main()
