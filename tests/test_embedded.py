"""`m3gnet-emt`, the model that comes with mlzoo, against its teacher and its card."""

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet

import mlzoo
from mlzoo import checks
from mlzoo.json_files import read_json

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "mlzoo" / "embedded" / "m3gnet-emt"
CARD = (ROOT / "model_cards" / "m3gnet-emt.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def predictor():
    return mlzoo.load("m3gnet-emt", device="cpu")


@pytest.fixture(scope="module")
def tools():
    """The scripts that judged the model, and the structures that they draw."""
    loaded = {}
    for name in ("emt_structures", "emt_report"):  # the second imports the first
        spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
        sys.modules[name] = loaded[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded[name])
    yield loaded
    for name in loaded:
        del sys.modules[name]


def rows(columns: int) -> dict[str, list[float]]:
    """Rows of the card's table with that many numbers."""
    found = re.findall(r"^\| (\w+) " + r"\| ([\d.]+) " * columns + r"\|$", CARD, flags=re.MULTILINE)
    return {name: [float(number) for number in numbers] for name, *numbers in found}


class TestFolder:
    def test_it_is_small_and_complete(self):
        files = {path.name: path.stat().st_size for path in FOLDER.iterdir()}
        assert set(files) == {"README.md", "LICENSE", "config.json", "model.safetensors", "checks.json"}
        assert sum(files.values()) < 2_000_000

    def test_its_readme_is_the_card(self):
        assert (FOLDER / "README.md").read_text(encoding="utf-8") == CARD

    def test_its_checks_hold(self, predictor):
        assert all(each.holds for each in predictor.verify())
        exact = checks.compare(predictor.in_float64(), read_json(FOLDER / "checks.json"))
        assert max(each.largest for each in exact) < 1e-12

    def test_it_is_found_by_name_and_has_correct_triplets(self, predictor):
        assert predictor.provenance["source"] == "package:mlzoo/embedded/m3gnet-emt"
        assert predictor.manifest.config["triplets"] == "correct"
        assert predictor.model.local


class TestAgainstItsTeacher:
    def test_errors_on_fresh_structures_are_those_on_the_card(self, predictor, tools):
        fresh = tools["emt_structures"].draw(
            7, dict.fromkeys(["solids", "alloys", "surfaces", "clusters"], 100) | {"dynamics": 20}
        )
        found = tools["emt_report"].errors(predictor, fresh)
        stated = rows(2)
        assert found.keys() == stated.keys()
        for family, errors in found.items():
            worse = 2.0 if family == "violent" else 1.5  # as the card says of a fresh draw
            assert np.all(np.array(errors) < worse * np.array(stated[family])), family

    def test_lattice_constants_and_bulk_moduli(self, predictor, tools):
        stated = rows(4)
        compounds = tools["emt_report"].compounds()
        assert compounds.keys() == stated.keys()
        for name, atoms in compounds.items():
            length, stiffness = tools["emt_report"].equation_of_state(atoms, EMT())
            found, found_stiffness = tools["emt_report"].equation_of_state(atoms, predictor.calculator())
            soft = name == "Al"  # 3 % of strain costs it a few meV an atom, which is the size of the model's errors
            assert found == pytest.approx(length, rel=3e-3 if soft else 1e-3), name
            assert found_stiffness == pytest.approx(stiffness, rel=0.2 if soft else 0.1), name
            assert stated[name][:2] == pytest.approx([length, found], abs=1e-3)  # as rounded on the card
            assert stated[name][2:] == pytest.approx([stiffness / units.GPa, found_stiffness / units.GPa], abs=1)

    def test_the_virial_is_the_teachers(self, predictor, tools):
        strained = tools["emt_report"].compounds()["Cu3Au"]
        gradient = np.array([[1.03, 0.01, 0], [0.01, 0.98, 0], [0, 0, 1.01]])
        strained.set_cell(strained.cell.array @ gradient, scale_atoms=True)
        strained.calc = EMT()
        np.testing.assert_allclose(predictor.predict(strained)["stress"], strained.get_stress(), atol=1.5 * units.GPa)


class TestAsAPotential:
    def test_forces_are_smooth_at_the_cutoff(self, predictor):
        assert predictor.model.smoothness == "forces"
        inside, outside = (
            predictor.predict(Atoms("Cu2", positions=[[0, 0, 0], [0, 0, predictor.cutoff + step]]))
            for step in (-1e-3, 1e-3)
        )
        assert inside["energy"] == pytest.approx(outside["energy"], abs=1e-5)
        np.testing.assert_allclose(inside["forces"], outside["forces"], atol=1e-4)

    @pytest.mark.parametrize("symbol", ["Al", "Ni", "Cu", "Pd", "Ag", "Pt", "Au"])
    def test_compression_costs_energy_down_to_short_bonds(self, predictor, symbol):
        """No hole to fall into, from 12 % below the equilibrium bond to 1.9 Å."""
        bond = 3.61 / 2**0.5 if symbol in ("Cu", "Ni") else 4.0 / 2**0.5
        lengths = np.linspace(1.9, 0.9 * bond, 12)  # Å
        crystals = [bulk(symbol, "fcc", a=length * 2**0.5) for length in lengths]
        energies = [answer["energy"] for answer in predictor.predict(crystals, properties=["energy"])]
        assert np.all(np.diff(energies) < 0)

    def test_dynamics_conserve_energy(self, predictor):
        atoms = bulk("Cu", cubic=True).repeat(2)
        atoms.calc = predictor.calculator()
        MaxwellBoltzmannDistribution(atoms, temperature_K=1200, rng=np.random.default_rng(1))
        start = atoms.get_total_energy()
        VelocityVerlet(atoms, 2 * units.fs).run(50)
        assert atoms.get_total_energy() == pytest.approx(start, abs=1e-3 * len(atoms))
