"""What is planted in the data is found, and clean data are not complained about."""

import copy
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from mlzoo.structures import structure_from
from mlzoo.training.data import Example, look_over, overlap


def labelled(atoms, source):
    atoms.calc = EMT()
    labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces(), "stress": atoms.get_stress()}
    return Example(structure_from(atoms), labels, source=source)


def alloys(count):
    rng = np.random.default_rng(7)
    for frame in range(count):
        symbols = rng.choice(["Cu", "Au"], 4)
        atoms = bulk("Cu", a=3.61 + 0.47 * float(np.mean(symbols == "Au")), cubic=True)  # Å, Vegard's law
        atoms.symbols = symbols
        atoms.rattle(0.05, seed=frame)
        yield labelled(atoms, f"alloys.xyz:{frame}")


@pytest.fixture(scope="module")
def clean():
    return tuple(alloys(40))


def with_labels(example, **labels):
    return replace(example, labels={**example.labels, **labels})


def kinds(examples):
    return [finding.kind for finding in look_over(examples)]


def test_nothing_stands_out_of_clean_data(clean):
    findings = look_over(clean)
    assert not findings
    assert str(findings) == "40 structures looked over: nothing stands out."


def test_a_duplicate_is_named(clean):
    again = replace(clean[3], source="again.xyz:0")
    (finding,) = look_over([*clean, again])
    assert finding.kind == "duplicates"
    assert finding.sentence == "Copies of another structure, which count more than once in the loss (1): again.xyz:0."


def test_a_duplicate_with_other_labels_is_a_contradiction(clean):
    energy = clean[3].labels["energy"]
    other = with_labels(replace(clean[3], source="again.xyz:0"), energy=energy + 0.1)
    (finding,) = look_over([*clean, other]).of("inconsistent labels")
    assert finding.sources == ("alloys.xyz:3", "again.xyz:0")
    forces = with_labels(replace(clean[3], source="again.xyz:0"), forces=2 * clean[3].labels["forces"])
    assert kinds([*clean, forces]) == ["duplicates", "inconsistent labels"]


def test_a_larger_cell_of_the_same_crystal_looks_alike(clean):
    atoms = bulk("Cu", a=3.7)
    found = look_over([*clean, labelled(atoms, "a:0"), labelled(atoms.repeat(2), "a:1")])
    assert [(finding.kind, finding.sources) for finding in found] == [("look-alikes", ("a:1",))]


def test_an_energy_that_no_composition_explains(clean):
    wrong = with_labels(clean[5], energy=clean[5].labels["energy"] + 20.0)
    (finding,) = look_over([*clean[:5], wrong, *clean[6:]])
    assert (finding.kind, finding.sources) == ("energy outliers", ("alloys.xyz:5",))
    assert "more than 8 σ away from what the composition explains" in finding.sentence


@pytest.mark.parametrize("factor", [30.0, 300.0])
def test_a_force_that_is_very_large(clean, factor):
    wrong = with_labels(clean[5], forces=factor * clean[5].labels["forces"])
    (finding,) = look_over([*clean[:5], wrong, *clean[6:]])
    assert (finding.kind, finding.sources) == ("force outliers", ("alloys.xyz:5",))


def test_atoms_on_top_of_each_other_through_the_boundary_too():
    across = Atoms("Cu2", [[0.1, 0, 0], [4.8, 0, 0]], cell=[5, 5, 5], pbc=True)
    apart = Atoms("Cu2", [[0.1, 0, 0], [4.8, 0, 0]])
    examples = [
        Example(structure_from(atoms), {"energy": 0.0}, source=name) for name, atoms in [("a", across), ("b", apart)]
    ]
    (finding,) = look_over(examples).of("close atoms")
    assert finding.sources == ("a",)


def test_what_has_no_labels(clean):
    bare = replace(clean[2], labels={})
    (finding,) = look_over([*clean[:2], bare, *clean[3:]])
    assert (finding.kind, finding.sources) == ("unlabelled", ("alloys.xyz:2",))


def test_an_element_of_which_there_is_little(clean):
    silver = [labelled(Atoms("Ag4", bulk("Ag", cubic=True).positions + i / 50, cell=[4.1 + i / 50] * 3, pbc=True), f"s:{i}")
              for i in range(4)]  # fmt: skip
    (finding,) = look_over([*clean, *silver]).of("rare elements")
    assert finding.sentence.startswith("All there is of Ag, fewer than 5 structures for each")


def test_a_stress_without_a_cell_and_a_single_atom(clean):
    atom = Example(structure_from(Atoms("Cu")), {"energy": 0.0, "stress": np.zeros(6)}, source="atom.xyz:0")
    assert kinds([*clean[:20], atom])[-2:] == ["free atoms", "stress without periodicity"]


def test_ten_are_named_and_the_others_counted(clean):
    bare = [replace(example, labels={}) for example in clean[:13]]
    (finding,) = look_over([*clean[13:], *bare]).of("unlabelled")
    assert finding.sentence.endswith("alloys.xyz:8, alloys.xyz:9 and 3 more.")
    assert len(finding.sources) == 13


def test_nothing_is_changed(clean):
    before = copy.deepcopy(clean)
    look_over(clean)
    for one, other in zip(before, clean, strict=True):
        np.testing.assert_array_equal(one.structure.positions, other.structure.positions)
        np.testing.assert_array_equal(one.labels["forces"], other.labels["forces"])


def test_validation_that_was_learned_from_is_found(clean):
    (finding,) = overlap(clean[:30], [*clean[30:], replace(clean[0], source="again:0")])
    assert (finding.kind, finding.sources) == ("in both", ("again:0",))
    assert not overlap(clean[:30], clean[30:])


def test_nothing_to_look_over():
    assert not look_over([])
