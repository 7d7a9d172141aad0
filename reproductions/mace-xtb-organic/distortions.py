"""Geometries of a molecule by rdkit: conformers, and what one does to them."""

from __future__ import annotations

from collections import deque

import numpy as np
from ase.data import vdw_radii
from rdkit import Chem
from rdkit.Chem import AllChem
from rdkit.Chem.rdchem import Mol

ROTATABLE = Chem.MolFromSmarts("[!#1;!D1]-;!@[!#1;!D1]")


def molecule(smiles: str) -> Mol:
    return Chem.AddHs(Chem.MolFromSmiles(smiles))


def atomic_numbers(mol: Mol) -> np.ndarray:
    return np.array([atom.GetAtomicNum() for atom in mol.GetAtoms()])


def conformers(mol: Mol, count: int, seed: int) -> list[np.ndarray]:
    """Conformers (Å) by ETKDG, relaxed in a force field, lowest energy first."""
    options = AllChem.ETKDGv3()
    options.randomSeed = seed % 2**31
    if not len(AllChem.EmbedMultipleConfs(mol, count, options)):
        options.useRandomCoords = True
        AllChem.EmbedMultipleConfs(mol, count, options)
    known = AllChem.MMFFHasAllMoleculeParams(mol)
    done = (AllChem.MMFFOptimizeMoleculeConfs if known else AllChem.UFFOptimizeMoleculeConfs)(mol)
    order = np.argsort([energy for _, energy in done], kind="stable")
    return [mol.GetConformer(int(each)).GetPositions() for each in order]


def rattled(positions: np.ndarray, size: float, rng: np.random.Generator) -> np.ndarray:
    return positions + size * rng.normal(size=positions.shape)


def stretched(mol: Mol, positions: np.ndarray, factor: float, rng: np.random.Generator) -> np.ndarray | None:
    """One bond that is in no ring, ``factor`` times as long; None where there is no such bond."""
    bonds = [bond for bond in mol.GetBonds() if not bond.IsInRing()]
    if not bonds:
        return None
    bond = bonds[rng.integers(len(bonds))]
    first, second = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
    moved = positions.copy()
    moved[_side(mol, first, second)] += (factor - 1) * (positions[second] - positions[first])
    return moved


def turned(mol: Mol, positions: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """One rotatable bond turned by any angle, unless atoms meet; None where there is no such bond."""
    bonds = mol.GetSubstructMatches(ROTATABLE)
    if not bonds:
        return None
    for _ in range(5):
        first, second = bonds[rng.integers(len(bonds))]
        side = _side(mol, first, second)
        moved = positions.copy()
        axis = (positions[second] - positions[first]) / np.linalg.norm(positions[second] - positions[first])
        moved[side] = positions[second] + (positions[side] - positions[second]) @ _turn(axis, rng.uniform(0.3, 6.0)).T
        if nearest(mol, moved) > 0.6:
            return moved
    return None


def beside(
    numbers: np.ndarray, positions: np.ndarray, other_numbers: np.ndarray, other: np.ndarray, ratio: float,
    rng: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """Positions of another molecule, turned and placed anyhow: ``ratio`` is that of the nearest two atoms' distance to
    the sum of their van der Waals radii."""
    axis, direction = _unit(rng), _unit(rng)
    other = (other - other.mean(axis=0)) @ _turn(axis, rng.uniform(0, 2 * np.pi)).T + positions.mean(axis=0)
    radii = vdw_radii[numbers][:, None] + vdw_radii[other_numbers]
    far, near = 30.0, 0.0  # Å
    while far - near > 1e-3:
        middle = (near + far) / 2
        distances = np.linalg.norm(positions[:, None] - other - middle * direction, axis=-1)
        far, near = (middle, near) if (distances / radii).min() > ratio else (far, middle)
    return other + far * direction


def nearest(mol: Mol, positions: np.ndarray) -> float:
    """The smallest ratio of a distance to the sum of van der Waals radii, of atoms that are three or more bonds apart."""
    numbers = atomic_numbers(mol)
    apart = np.triu(Chem.GetDistanceMatrix(mol) > 2.5)
    distances = np.linalg.norm(positions[:, None] - positions, axis=-1)
    return float((distances / (vdw_radii[numbers][:, None] + vdw_radii[numbers]))[apart].min(initial=np.inf))


def longest(mol: Mol, positions: np.ndarray, start: np.ndarray) -> float:
    """The largest factor by which a bond has grown."""
    ends = np.array([(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in mol.GetBonds()]).reshape(-1, 2)
    now, then = (np.linalg.norm(each[ends[:, 0]] - each[ends[:, 1]], axis=1) for each in (positions, start))
    return float((now / then).max(initial=0.0))


def _side(mol: Mol, first: int, second: int) -> list[int]:
    """Atoms on the second one's side of a bond."""
    found, waiting = {first, second}, deque([second])
    while waiting:
        for neighbour in mol.GetAtomWithIdx(waiting.popleft()).GetNeighbors():
            if neighbour.GetIdx() not in found:
                found.add(neighbour.GetIdx())
                waiting.append(neighbour.GetIdx())
    return sorted(found - {first})


def _unit(rng: np.random.Generator) -> np.ndarray:
    vector = rng.normal(size=3)
    return vector / np.linalg.norm(vector)


def _turn(axis: np.ndarray, angle: float) -> np.ndarray:
    """The rotation about a unit vector (Rodrigues)."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
