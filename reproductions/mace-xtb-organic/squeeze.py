"""Small molecules with one bond far too short: python squeeze.py FOLDER [--seed 0] [--processes 1]

Writes squeezed.xyz, and rehearsal.xyz, which is every sixth frame of train.xyz, for `second.yaml`. Without them the network falls
into holes where it has seen nothing, such as H2 at 0.5 Å.
"""

from __future__ import annotations

import argparse
import zlib
from itertools import islice
from multiprocessing import Pool
from pathlib import Path

import distortions as geometry
import generate
import molecules
import numpy as np
import xtb
from ase import Atoms
from ase.io import iread

SHORTEST, LONGEST = 0.6, 0.9  # of the bond's length
FRAMES = 6
LARGEST_FORCE = 80.0  # eV/Å
EACH = 6  # frame of train.xyz is rehearsed


def squeezed(task: tuple[str, int]) -> list[Atoms]:
    """Frames of one molecule, each with another bond or another length."""
    smiles, seed = task
    rng = np.random.default_rng([seed, zlib.crc32(smiles.encode())])
    mol = geometry.molecule(smiles)
    numbers = geometry.atomic_numbers(mol)
    shapes = geometry.conformers(mol, 1, int(rng.integers(2**31)))
    if not shapes:
        return []
    start = xtb.relaxed(xtb.Xtb(numbers), shapes[0], 8)
    frames = []
    for ratio in np.linspace(SHORTEST, LONGEST, FRAMES):
        shorter = geometry.stretched(mol, start, float(ratio), rng)
        frames += generate.labelled(numbers, smiles, [("squeezed", shorter)], LARGEST_FORCE)
    return frames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1)
    said = parser.parse_args()
    train = set(molecules.divided(said.seed)[0])
    small = [each for each in map(molecules.canonical, molecules.SMALL) if each in train]
    with Pool(said.processes) as pool:
        made = generate.told("squeezed", pool.imap(squeezed, [(each, said.seed) for each in small]), len(small))
        generate.saved(said.folder / "squeezed.xyz", made)
    again = list(islice(iread(said.folder / "train.xyz"), 0, None, EACH))
    generate.saved(said.folder / "rehearsal.xyz", [again])


if __name__ == "__main__":
    main()
