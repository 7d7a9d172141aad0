"""The molecules behind mace-xtb-organic: what is tested on has never been learned."""

import importlib.util
from pathlib import Path

import pytest

Chem = pytest.importorskip("rdkit.Chem", reason="needs mlzoo[datagen]")
FOLDER = Path(__file__).parents[2] / "reproductions" / "mace-xtb-organic"


@pytest.fixture(scope="module")
def molecules():
    found = importlib.util.spec_from_file_location("molecules", FOLDER / "molecules.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def formulas(smiles):
    """Canonical SMILES by rdkit alone, without stereochemistry."""
    return {Chem.MolToSmiles(Chem.MolFromSmiles(each), isomericSmiles=False) for each in smiles}


def test_no_molecule_of_the_test_set_is_learned(molecules):
    train, validation = molecules.divided(0)
    assert not formulas(molecules.unseen()) & formulas([*train, *validation])
    assert not formulas(train) & formulas(validation)


def test_another_spelling_is_the_same_molecule(molecules):
    assert molecules.canonical("Oc1ccc(NC(C)=O)cc1") == molecules.canonical(molecules.DRUGS["paracetamol"])


@pytest.mark.parametrize(
    ("scaffold", "parts", "whole"),
    [
        ("c1ccccc1R", ["C"], "Cc1ccccc1"),
        ("c1cc(R)ccc1Q", ["F", "N8CCOCC8"], "Fc1ccc(cc1)N1CCOCC1"),
        ("O=C(R)NQ", ["c1ccncc1", "CC"], "CCNC(=O)c1ccncc1"),
    ],
)
def test_a_scaffold_and_its_substituents_are_the_molecule_meant(molecules, scaffold, parts, whole):
    assert molecules.canonical(molecules._filled(scaffold, *parts)) == molecules.canonical(whole)


def test_there_are_no_ions_and_no_radicals(molecules):
    assert molecules.canonical("C[NH3+]") is None
    assert molecules.canonical("C[CH2]") is None
    assert molecules.canonical("C[N+](=O)[O-]") is not None


def test_thousands_of_molecules_cover_seven_elements(molecules):
    train, _ = molecules.divided(0)
    having = {symbol: sum(symbol in formula for formula in train) for symbol in ("N", "O", "S", "F", "Cl")}
    assert len(train) > 2700
    assert min(having.values()) > 350
