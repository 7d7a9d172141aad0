"""Make the data set: python generate.py FOLDER [--seed 0] [--processes 1]

Writes train.xyz, validation.xyz, test.xyz, twenty.xyz (start structures for dynamics) and paracetamol.xyz (to be shown) as
extxyz in eV and Å.
Needs `pip install mlzoo[datagen]`; an hour and a quarter on one core.
"""

from __future__ import annotations

import argparse
import os
import time
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from multiprocessing import Pool
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and tblite: small matrices gain nothing from more

import distortions as geometry
import molecules
import numpy as np
import xtb
from ase import Atoms
from ase.data import chemical_symbols
from ase.io import write

LARGEST_FORCE = 15.0  # eV/Å; frames beyond it are dropped
LARGEST_PAIR = 28  # atoms, in training
LARGEST_TEST_PAIR = 44
BROKEN = 1.5  # a bond that has grown by this factor in dynamics


def learned_frames(task: tuple[str, tuple[str, ...], int]) -> list[Atoms]:
    """Frames of one molecule for training or validation; partners are those that it may be paired with."""
    smiles, partners, seed = task
    rng = np.random.default_rng([seed, zlib.crc32(smiles.encode())])
    mol = geometry.molecule(smiles)
    numbers = geometry.atomic_numbers(mol)
    shapes = geometry.conformers(mol, 3, int(rng.integers(2**31)))
    if not shapes:
        return []
    proposed: list[tuple[str, np.ndarray | None]] = []
    starts = []
    for turn, count in enumerate((5, 4)):
        starts.append(xtb.relaxed(xtb.Xtb(numbers), shapes[turn % len(shapes)], 8))
        kelvin = rng.choice([300, 300, 400, 500, 600])
        proposed += _moving(mol, starts[-1], float(kelvin), 20, 12, count, rng)
    for shape, start in zip((shapes[-1], starts[0]), starts, strict=True):
        proposed.append(("rattle", geometry.rattled(shape, rng.uniform(0.02, 0.08), rng)))
        turned = geometry.turned(mol, start, rng)
        kind, changed = ("rattle", start) if turned is None else ("torsion", turned)
        proposed.append((kind, geometry.rattled(changed, 0.03, rng)))
        stretched = geometry.stretched(mol, start, rng.uniform(0.8, 1.4), rng)
        proposed.append(("stretch", None if stretched is None else geometry.rattled(stretched, 0.02, rng)))
    frames = labelled(numbers, smiles, proposed)
    for start in starts:
        frames += _paired(smiles, numbers, start, partners[rng.integers(len(partners))], LARGEST_PAIR, rng)
    return frames


def unseen_frames(task: tuple[str, int, int]) -> tuple[Atoms, list[Atoms]]:
    """The relaxed structure and frames at 300 K and beyond of one molecule of the test set."""
    smiles, count, seed = task
    rng = np.random.default_rng([seed, zlib.crc32(smiles.encode())])
    mol = geometry.molecule(smiles)
    numbers = geometry.atomic_numbers(mol)
    start = xtb.relaxed(xtb.Xtb(numbers), geometry.conformers(mol, 5, int(rng.integers(2**31)))[0], 300)
    proposed = _moving(mol, start, 300.0, 100, 30, count, rng)
    proposed += [("rattle", geometry.rattled(start, 0.03, rng)), ("rattle", geometry.rattled(start, 0.06, rng))]
    for kind, changed in (
        ("torsion", geometry.turned(mol, start, rng)),
        ("stretch", geometry.stretched(mol, start, rng.uniform(0.85, 1.3), rng)),
    ):
        proposed.append((kind, None if changed is None else geometry.rattled(changed, 0.02, rng)))
    frames = labelled(numbers, smiles, proposed)
    for _ in range(2):
        frames += _paired(smiles, numbers, start, smiles, LARGEST_TEST_PAIR, rng)
    return xtb.labelled(numbers, start, "relaxed", smiles), frames


def _moving(
    mol: geometry.Mol, start: np.ndarray, kelvin: float, first: int, every: int, count: int, rng: np.random.Generator
) -> list[tuple[str, np.ndarray]]:
    """Positions of dynamics after ``first`` fs and every so many from then on, as long as all bonds hold."""
    steps = xtb.dynamics(xtb.Xtb(geometry.atomic_numbers(mol)), start, kelvin, rng)
    found = []
    try:
        for positions in islice(steps, first - 1, first + every * (count - 1), every):
            if geometry.longest(mol, positions, start) > BROKEN:
                break
            found.append((f"md-{kelvin:.0f}K", positions))
    except xtb.Failed:
        pass  # what came before is good
    return found


def _paired(
    smiles: str, numbers: np.ndarray, positions: np.ndarray, partner: str, largest: int, rng: np.random.Generator
) -> list[Atoms]:
    """A pair in contact: half of them as they fall, half after a few steps downhill, a few too close."""
    other = geometry.molecule(partner)
    other_numbers = geometry.atomic_numbers(other)
    shapes = geometry.conformers(other, 1, int(rng.integers(2**31)))
    both = np.concatenate([numbers, other_numbers])
    if len(both) > largest or not shapes:
        return []
    close, downhill = rng.random() < 0.15, rng.random() < 0.5
    ratio = rng.uniform(0.5, 0.65) if close else rng.uniform(0.65, 1.3)
    placed = geometry.beside(numbers, positions, other_numbers, shapes[0], ratio, rng)
    together = np.concatenate([positions, placed])
    if downhill and not close:
        together = xtb.relaxed(xtb.Xtb(both), together, 6)
    kind = "close" if close else "pair"
    return labelled(both, f"{smiles}.{partner}", [(kind, geometry.rattled(together, 0.03, rng))])


def labelled(
    numbers: np.ndarray,
    smiles: str,
    proposed: Iterable[tuple[str, np.ndarray | None]],
    largest: float = LARGEST_FORCE,
) -> list[Atoms]:
    """Those of the geometries that have an energy, and forces that are not too large."""
    frames = []
    for kind, positions in proposed:
        if positions is None:
            continue
        try:
            frame = xtb.labelled(numbers, positions, kind, smiles)
        except xtb.Failed:
            continue
        if np.linalg.norm(frame.get_forces(), axis=1).max() < largest:
            frames.append(frame)
    return frames


def shown(name: str, seed: int) -> list[Atoms]:
    """One drug, relaxed, and twenty frames of its dynamics at 300 K: small enough to be kept with the code."""
    smiles = molecules.DRUGS[name]
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    mol = geometry.molecule(smiles)
    numbers = geometry.atomic_numbers(mol)
    start = xtb.relaxed(xtb.Xtb(numbers), geometry.conformers(mol, 5, int(rng.integers(2**31)))[0], 300)
    return labelled(numbers, smiles, [("relaxed", start), *_moving(mol, start, 300.0, 100, 30, 20, rng)])


def free_atoms() -> list[Atoms]:
    return [
        xtb.labelled(np.array([z]), np.zeros((1, 3)), "IsolatedAtom", f"[{chemical_symbols[z]}]", unpaired)
        for z, unpaired in xtb.UNPAIRED.items()
    ]


def told(name: str, results: Iterable, count: int) -> Iterator:
    """The same results, with a line on progress every so often."""
    begun = time.monotonic()
    for number, each in enumerate(results, start=1):
        yield each
        if number % 50 == 0 or number == count:
            print(f"{name}: {number} of {count} molecules, {time.monotonic() - begun:.0f} s", flush=True)


def saved(path: Path, made: Iterable[list[Atoms]]) -> None:
    """Write frames as they are made, and print what they are."""
    frames: list[Atoms] = []
    path.unlink(missing_ok=True)
    for each in made:
        write(path, each, format="extxyz", append=True)
        frames += each
    print(summary(path.name, frames))


def summary(name: str, frames: list[Atoms]) -> str:
    kinds = Counter(frame.info["config_type"] for frame in frames)
    elements = Counter(symbol for frame in frames for symbol in set(frame.get_chemical_symbols()))
    return (
        f"{name}: {len(frames)} frames, {sum(map(len, frames))} atoms\n  by kind: {dict(sorted(kinds.items()))}\n"
        f"  frames with an element: {dict(elements.most_common())}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1)
    said = parser.parse_args()
    said.folder.mkdir(parents=True, exist_ok=True)

    saved(said.folder / "paracetamol.xyz", [shown("paracetamol", said.seed)])
    train, validation = molecules.divided(said.seed)
    small = [each for each in train if geometry.molecule(each).GetNumAtoms() <= 12]
    partners = tuple(small + len(small) // 3 * ["O"])  # a quarter of all pairs are with water
    drugs = list(molecules.DRUGS)
    with Pool(said.processes) as pool:
        tasks = [(each, 10 if turn < len(drugs) else 6, said.seed) for turn, each in enumerate(molecules.unseen())]
        results = list(told("test", pool.imap(unseen_frames, tasks), len(tasks)))
        starts = [relaxed for relaxed, _ in results[: len(drugs)]]
        for name, start in zip(drugs, starts, strict=True):
            start.info["name"] = name
        saved(said.folder / "twenty.xyz", [starts])
        saved(said.folder / "test.xyz", (frames for _, frames in results))
        for name, chosen, first in (("validation", validation, []), ("train", train, [free_atoms()])):
            tasks = [(each, partners, said.seed) for each in chosen]
            made = told(name, pool.imap(learned_frames, tasks), len(tasks))
            saved(said.folder / f"{name}.xyz", chain(first, made))


if __name__ == "__main__":
    main()
