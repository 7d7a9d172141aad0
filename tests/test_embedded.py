"""`mace-xtb-organic`, the model that comes with mlzoo, against its teacher and its card."""

import re
from itertools import combinations
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms, units
from ase.build import molecule
from ase.data import covalent_radii, vdw_radii
from ase.md.verlet import VelocityVerlet

import mlzoo
from mlzoo import checks
from mlzoo.json_files import read_json

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "mlzoo" / "embedded" / "mace-xtb-organic"
CARD = (ROOT / "model_cards" / "mace-xtb-organic.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def predictor():
    return mlzoo.load("mace-xtb-organic", device="cpu")


@pytest.fixture(scope="module")
def frames() -> list[Atoms]:
    """Paracetamol, which it has never seen: relaxed by GFN2-xTB, then frames of xTB's dynamics at 300 K."""
    return ase.io.read(ROOT / "examples" / "paracetamol.xyz", ":")


def stated() -> dict[str, tuple[float, float]]:
    """Errors on the card: meV an atom, meV/Å."""
    found = re.findall(r"^\| ([\w-]+) \| \d+ \| ([\d.]+) \| (\d+) \|$", CARD, flags=re.MULTILINE)
    return {kind: (float(energy), float(forces)) for kind, energy, forces in found}


class TestFolder:
    def test_it_is_small_and_complete(self):
        files = {path.name: path.stat().st_size for path in FOLDER.iterdir()}
        assert set(files) == {"README.md", "LICENSE", "config.json", "model.safetensors", "checks.json"}
        assert sum(files.values()) < 3_000_000

    def test_its_readme_is_the_card(self):
        assert (FOLDER / "README.md").read_text(encoding="utf-8") == CARD

    def test_its_config_knows_the_data_and_no_folder(self):
        trained = read_json(FOLDER / "config.json")["provenance"]["trained"]
        assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in trained["data"].values())
        assert {"rehearsal.xyz", "squeezed.xyz"} <= set(trained["data"])
        assert not re.search(r"[/\\]", (FOLDER / "config.json").read_text(encoding="utf-8"))

    def test_its_checks_hold(self, predictor):
        assert all(each.holds for each in predictor.verify())
        exact = checks.compare(predictor.in_float64(), read_json(FOLDER / "checks.json"))
        assert max(each.largest for each in exact) < 1e-10  # eV; another CPU adds in another order

    def test_it_is_found_by_name_and_sees_only_neighbours(self, predictor):
        assert predictor.provenance["source"] == "package:mlzoo/embedded/mace-xtb-organic"
        assert predictor.model.local


class TestAgainstItsTeacher:
    def test_the_card_has_a_row_for_each_kind(self):
        assert list(stated()) == ["md-300K", "rattle", "torsion", "stretch", "pair", "close", "all"]

    def test_errors_on_a_molecule_that_it_has_never_seen_are_those_on_the_card(self, predictor, frames):
        """Twice as much for one molecule alone; of energies, what they are above the molecule at rest."""
        answers = predictor.predict(frames)
        theirs, ours = ([atoms.get_potential_energy() for atoms in frames], [answer["energy"] for answer in answers])
        wrong = (np.array(ours) - ours[0]) - (np.array(theirs) - theirs[0])
        forces = [answer["forces"] - atoms.get_forces() for atoms, answer in zip(frames, answers, strict=True)]
        energy_error, force_error = stated()["md-300K"]
        assert 1000 * np.abs(wrong[1:]).mean() / len(frames[0]) < 2 * energy_error
        assert 1000 * np.abs(forces).mean() < 2 * force_error


def sides(atoms: Atoms, i: int, j: int) -> list[int] | None:
    """What hangs at j when the bond i–j is cut, j with it; None where a ring holds it together."""
    apart = atoms.get_all_distances()
    bonded = apart < 1.25 * np.add.outer(covalent_radii[atoms.numbers], covalent_radii[atoms.numbers])
    bonded[i, j] = bonded[j, i] = False
    reached, todo = {j}, [j]
    while todo:
        new = set(np.flatnonzero(bonded[todo.pop()])) - reached
        reached |= new
        todo += new
    return None if i in reached else sorted(reached)


def side_by_side(one: Atoms, other: Atoms, ratio: float) -> Atoms:
    """Both, with the nearest two atoms at this part of the sum of their van der Waals radii, along z."""
    radii = np.add.outer(vdw_radii[one.numbers], vdw_radii[other.numbers])
    flat = other.positions[None, :, :2] - one.positions[:, None, :2]
    reach = np.sqrt(np.maximum((ratio * radii) ** 2 - (flat**2).sum(axis=2), 0.0))
    touching = (flat**2).sum(axis=2) < (ratio * radii) ** 2
    heights = one.positions[:, None, 2] - other.positions[None, :, 2] + reach
    moved = other.copy()
    moved.positions[:, 2] += heights[touching].max()
    return one + moved


class TestAsAPotential:
    def test_forces_are_smooth_at_the_cutoff(self, predictor):
        assert predictor.model.smoothness == "forces"
        inside, outside = (
            predictor.predict(Atoms("CO", positions=[[0, 0, 0], [0, 0, predictor.cutoff + step]]))
            for step in (-1e-3, 1e-3)
        )
        assert inside["energy"] == pytest.approx(outside["energy"], abs=1e-4)
        np.testing.assert_allclose(inside["forces"], outside["forces"], atol=1e-4)

    @pytest.mark.parametrize("name", ["CH4", "NH3", "C2H6", "CH3OH", "H2O2", "H2CO", "CH3CN", "CH3SH", "CH3Cl", "H2"])
    def test_a_compressed_bond_costs_energy(self, predictor, name):
        """No hole to fall into, down to three quarters of the sum of covalent radii."""
        atoms = molecule(name)
        for i, j in combinations(range(len(atoms)), 2):
            length, radii = atoms.get_distance(i, j), covalent_radii[atoms.numbers[[i, j]]].sum()
            moving = sides(atoms, i, j) if length < 1.25 * radii else None
            if moving is None:
                continue
            squeezed = []
            for shorter in np.linspace(0.95 * length, 0.75 * radii, 8):
                squeezed.append(atoms.copy())
                squeezed[-1].positions[moving] += atoms.get_distance(i, j, vector=True) * (shorter / length - 1)
            energies = [answer["energy"] for answer in predictor.predict(squeezed, properties=["energy"])]
            assert np.all(np.diff(energies) > 0), atoms.symbols[[i, j]]

    @pytest.mark.parametrize("pair", ["H2O H2O", "CH4 CH4", "C6H6 C6H6", "CO2 CO2", "CH3OH CH4", "NH3 H2O"])
    def test_molecules_that_come_too_close_repel_each_other(self, predictor, pair):
        """From 0.7 to 0.5 of the van der Waals distance, the closest that it has learned from."""
        rng = np.random.default_rng(0)
        for _ in range(5):
            one, other = (molecule(name) for name in pair.split())
            for each in (one, other):
                each.rotate(rng.uniform(0, 360), rng.normal(size=3))
                each.positions -= each.get_center_of_mass()
            closer = [side_by_side(one, other, ratio) for ratio in np.linspace(0.7, 0.5, 5)]
            energies = [answer["energy"] for answer in predictor.predict(closer, properties=["energy"])]
            assert np.all(np.diff(energies) > 0)

    def test_dynamics_conserve_energy(self, predictor, frames):
        atoms = Atoms(frames[1].symbols, frames[1].positions, calculator=predictor.calculator())
        rng = np.random.default_rng(1)
        atoms.set_momenta(rng.normal(size=(len(atoms), 3)) * np.sqrt(atoms.get_masses() * units.kB * 300)[:, None])
        start = atoms.get_total_energy()
        VelocityVerlet(atoms, 0.5 * units.fs).run(100)
        assert atoms.get_total_energy() == pytest.approx(start, abs=1e-3 * len(atoms))
