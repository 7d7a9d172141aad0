"""A structure as the user has it (ASE or pymatgen), checked and in one form."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from jaxtyping import Bool, Float, Int

from mlzoo.errors import InvalidStructure

SMALLEST_VOLUME = 1e-10  # Å³; a cell without even that has no stress
FLATTEST_CELL = (
    1e-4  # volume of periodic lattice vectors scaled to unit length: flatter ones count as linearly dependent
)

OCCUPANCY = 1e-3  # by which that of a site may differ from 1


@dataclass(frozen=True)
class Structure:
    """One structure of A atoms in eV-Å conventions, independent of the object it came from."""

    atomic_numbers: Int[np.ndarray, "A"]
    positions: Float[np.ndarray, "A 3"]  # Å
    cell: Float[np.ndarray, "3 3"]  # Å, one lattice vector per row; zero where there is none
    pbc: Bool[np.ndarray, "3"]
    conditions: Mapping[str, Any]  # what it carries besides geometry, as the user wrote it

    @property
    def has_volume(self) -> bool:
        """Whether a stress is defined: periodic somewhere, and a cell of three independent vectors."""
        return bool(self.pbc.any() and abs(np.linalg.det(self.cell)) > SMALLEST_VOLUME)


def is_structure(source: object) -> bool:
    """Whether this is one structure; Atoms and pymatgen's classes are themselves iterable, so ask before iterating."""
    return isinstance(source, Structure | Atoms) or _is_pymatgen(source)


def structure_from(source: object, conditions: Mapping[str, Any] | None = None) -> Structure:
    """Read and check an ``ase.Atoms`` or a pymatgen ``Structure`` or ``Molecule``; it is never written to.

    ``conditions`` override what the object carries; a :class:`Structure` has been checked before. Raises
    :class:`InvalidStructure` for an empty or disordered structure, NaN, an atom without a chemical element, and
    periodic lattice vectors that span no volume.
    """
    if isinstance(source, Structure):
        return replace(source, conditions={**source.conditions, **conditions}) if conditions else source
    if isinstance(source, Atoms):
        read = _from_ase(source)
    elif _is_pymatgen(source):
        read = _from_pymatgen(source)
    else:
        raise InvalidStructure(
            f"a {type(source).__module__}.{type(source).__qualname__} is not a structure. "
            "Pass an ase.Atoms or a pymatgen Structure or Molecule."
        )
    _check(read)
    return structure_from(read, conditions)


def scalars(carried: Mapping[str, Any]) -> dict[str, Any]:
    """Of what a structure carries, the numbers and words: what a model could take for a condition."""
    return {name: value for name, value in carried.items() if isinstance(value, str | int | float | np.number)}


def _from_ase(atoms: Atoms) -> Structure:
    _check_occupancies(atoms)
    return Structure(
        atomic_numbers=atoms.numbers.astype(np.int64),
        positions=np.array(atoms.positions, dtype=np.float64, order="C"),
        cell=np.array(atoms.cell.array, dtype=np.float64, order="C"),
        pbc=np.array(atoms.pbc, dtype=bool),
        conditions=scalars(atoms.info),
    )


def _check_occupancies(atoms: Atoms) -> None:
    """ASE's CIF reader puts one species on each site, and in ``info`` which others share it and how often it is there."""
    sites = atoms.info.get("occupancy")
    if not isinstance(sites, Mapping):
        return
    of_atoms = atoms.arrays.get("spacegroup_kinds")
    for site in dict.fromkeys(sites if of_atoms is None else map(str, of_atoms)):
        species = sites.get(site)
        if isinstance(species, Mapping) and (len(species) > 1 or any(map(_is_partial, species.values()))):
            said = ", ".join(f"{symbol}:{occupancy}" for symbol, occupancy in species.items())
            raise InvalidStructure(
                f"site {site} is disordered ({said}): a model needs one element on each site. Make an ordered structure "
                "first, with pymatgen's OrderDisorderedStructureTransformation for example, or delete "
                "atoms.info['occupancy'] if the atoms are what you mean."
            )


def _is_partial(occupancy: Any) -> bool:
    """A CIF that leaves it open (``.`` or ``?``) means 1."""
    return isinstance(occupancy, int | float) and abs(occupancy - 1) > OCCUPANCY


def _is_pymatgen(source: object) -> bool:
    """Without importing pymatgen: whoever made a pymatgen object has imported it already."""
    return any(base.__module__ == "pymatgen.core.structure" for base in type(source).__mro__)


def _from_pymatgen(source: Any) -> Structure:
    try:
        species = [site.specie for site in source]
    except AttributeError:  # of a site that has several, or one that is there in part
        site = next(i for i, site in enumerate(source) if not site.is_ordered)
        raise InvalidStructure(
            f"site {site} is disordered ({source[site].species_string}): a model needs one element on each site. "
            "Make an ordered structure first, with pymatgen's OrderDisorderedStructureTransformation for example."
        ) from None
    lattice = getattr(source, "lattice", None)  # a Molecule has none
    carried = dict(getattr(source, "properties", None) or {})
    # the public attributes fill in what nobody said (oxidation states, electron counts); these are what was said
    carried |= {"charge": getattr(source, "_charge", None), "spin": getattr(source, "_spin_multiplicity", None)}
    return Structure(
        atomic_numbers=np.array([getattr(each, "Z", 0) for each in species], dtype=np.int64),
        positions=np.array(source.cart_coords, dtype=np.float64).reshape(-1, 3),
        cell=np.zeros((3, 3)) if lattice is None else np.array(lattice.matrix, dtype=np.float64),
        pbc=np.zeros(3, dtype=bool) if lattice is None else np.array(lattice.pbc, dtype=bool),
        conditions=scalars(carried),
    )


def _check(structure: Structure) -> None:
    if len(structure.atomic_numbers) == 0:
        raise InvalidStructure(
            "the structure is empty: there are no atoms to evaluate. Check how it was read or built."
        )
    numbers = structure.atomic_numbers
    if numbers.min() < 1 or numbers.max() >= len(chemical_symbols):
        atom = int(np.flatnonzero((numbers < 1) | (numbers >= len(chemical_symbols)))[0])
        raise InvalidStructure(
            f"atom {atom} has atomic number {numbers[atom]}, which is no element. "
            "Replace dummy atoms (X) by elements or delete them."
        )
    for name, values in (("position", structure.positions), ("lattice vector", structure.cell)):
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
            raise InvalidStructure(
                f"{name} {row} is {values[row].tolist()}: not finite. "
                "Look at the step before, where a simulation may have blown up or a file been cut short."
            )
    if not structure.pbc.any():
        return
    vectors = structure.cell[structure.pbc].tolist()
    lengths = [math.hypot(*vector) for vector in vectors]
    if 0 in lengths:
        axis = np.flatnonzero(structure.pbc)[lengths.index(0)]
        raise InvalidStructure(
            f"the structure is periodic along axis {axis}, but lattice vector {axis} is zero. "
            f"Give it a length or set pbc[{axis}] to False."
        )
    if _spanned(vectors) < FLATTEST_CELL * math.prod(lengths):
        raise InvalidStructure(
            f"the periodic lattice vectors {vectors} are linearly dependent: the cell is singular. "
            "Correct the cell or the periodicity."
        )


def _spanned(vectors: Sequence[Sequence[float]]) -> float:
    """Length, area or volume that one, two or three vectors span; in plain numbers, where NumPy's overhead would count."""
    *others, (x, y, z) = vectors
    for a, b, c in others[1:]:
        x, y, z = b * z - c * y, c * x - a * z, a * y - b * x
    if len(others) == 0:
        return math.hypot(x, y, z)
    a, b, c = others[0]
    if len(others) == 1:
        return math.hypot(b * z - c * y, c * x - a * z, a * y - b * x)
    return abs(a * x + b * y + c * z)
