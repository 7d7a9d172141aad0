"""Molecules for benchmarks, without a file: aspirin, and chains of carbon, nitrogen and oxygen."""

import numpy as np
from ase import Atoms

ASPIRIN = """
C  3.08  1.18 -0.84   C  2.03  0.46 -0.04   O  2.10  0.25  1.16   O  1.01  0.07 -0.90   C -0.06 -0.53 -0.22
C -0.10 -1.93 -0.24   C -1.15 -2.59  0.40   C -2.16 -1.86  1.03   C -2.12 -0.46  1.03   C -1.07  0.22  0.40
C -1.03  1.71  0.37   O -0.23  2.41 -0.21   O -2.04  2.26  1.08   H  2.63  2.04 -1.35   H  3.53  0.50 -1.56
H  3.86  1.55 -0.17   H  0.68 -2.50 -0.73   H -1.19 -3.68  0.40   H -2.97 -2.38  1.53   H -2.92  0.08  1.53
H -1.88  3.22  0.98
"""
CHAINS = ["CCCC", "CCNCO", "CNCCO", "CNCOC", "NCCOC", "COCOCO", "CNNNC", "NCNCN"]  # 20 atoms with both CH3 at the ends


def aspirin() -> Atoms:
    """21 atoms near the minimum of a classical force field."""
    rows = np.array(ASPIRIN.split()).reshape(-1, 4)
    return Atoms(list(rows[:, 0]), rows[:, 1:].astype(float))


def chain(middle: str) -> Atoms:
    """CH3, then CH2, NH or O for each letter of ``middle``, then CH3; a stretched zigzag of tetrahedral angles.

    >>> str(chain("CCCC").symbols.formula.format("hill"))  # hexane
    'C6H14'
    """
    backbone, half = f"C{middle}C", np.radians(109.47 / 2)
    step, height = 1.5 * np.sin(half), 1.5 * np.cos(half)  # Å
    symbols, positions = [], []
    for place, symbol in enumerate(backbone):
        sign = (-1) ** place  # which side of the zigzag
        here = np.array([step * place, sign * height / 2, 0])
        around = [[0, sign * np.cos(half), np.sin(half)], [0, sign * np.cos(half), -np.sin(half)]]
        if place in (0, len(backbone) - 1):
            outward = -1 if place == 0 else 1
            around.append([outward * np.sin(half), -sign * np.cos(half), 0])
        around = around[: {"C": 3, "N": 1, "O": 0}[symbol]]
        symbols += [symbol, *"H" * len(around)]
        positions += [here, *(here + 1.09 * np.array(each) for each in around)]
    return Atoms(symbols, positions)


def rattled_chains(count: int) -> list[Atoms]:
    """So many of them, of 20 atoms each, every atom off its place by 0.05 Å in each direction."""
    kinds = [chain(middle) for middle in CHAINS]
    made = [kinds[number % len(kinds)].copy() for number in range(count)]
    for number, atoms in enumerate(made):
        atoms.rattle(0.05, seed=number)
    return made
